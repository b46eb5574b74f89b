// Loads the bundle with the compiled code that earlier runs of the same command left (docs/adr/0012-compiled-code.md).
"use strict";
const { closeSync, fstatSync, lstatSync, mkdirSync, openSync, readdirSync } = require("node:fs");
const { readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } = require("node:fs");
const { dirname, isAbsolute, join } = require("node:path");
const { Script } = require("node:vm");
const { crc32 } = require("node:zlib");

/** In how many runs the code of a command is collected: the first run of a build takes other ways than the second. */
const collectedRuns = 3;
const day = 24 * 60 * 60 * 1000;
/** Behind the code: the number of runs it was collected in (one byte) and the crc32 of all before it (four). */
const trailerSize = 5;

/**
 * Runs a CommonJS bundle.
 *
 * @param {string} file its path; its last line is a comment with the hash of its content
 * @param {string | undefined} command the word under which the compiled code is kept
 * @returns what the bundle exports
 */
exports.load = function load(file, command) {
  const source = readFileSync(file, "latin1"); // the bundler writes nothing but ASCII
  const cache = cacheFile(source, command);
  const kept = cache && readKept(cache);
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${source}\n})`, {
    filename: file,
    cachedData: kept?.code,
  });
  const usable = kept !== undefined && !script.cachedDataRejected;
  const runs = usable ? kept.runs : 0;
  if (cache && (runs < collectedRuns || kept.age > day))
    process.on("exit", (exitCode) => {
      if (exitCode === 0) keep(cache, script.createCachedData(), Math.min(runs + 1, collectedRuns));
    });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, require, module, file, dirname(file));
  return module.exports;
};

/** The name tells all that V8 does not check by itself. */
function cacheFile(source, command = "") {
  const directory = cacheDirectory();
  if (directory === undefined || process.env.NODE_DISABLE_COMPILE_CACHE) return undefined;
  const word = /^[a-z]{1,16}$/.test(command) ? command : "other";
  const hash = source.slice(source.lastIndexOf("//") + 2).trim();
  return join(directory, `${word}-${hash}-${process.version}-${process.arch}`);
}

/**
 * A place where nobody else can write: code planted there would be run. Without one (no home directory, a read-only
 * one) nothing is kept, and the start takes longer.
 */
function cacheDirectory() {
  const given = process.env.XDG_CACHE_HOME;
  const base = process.geteuid() === 0 ? "/var/cache" : given && isAbsolute(given) ? given : homeCache();
  return base && join(base, "stagewright", "compiled");
}

function homeCache() {
  const home = process.env.HOME || require("node:os").homedir();
  return home && isAbsolute(home) ? join(home, ".cache") : undefined;
}

/** What was kept, when it is whole and only this user can have written it. */
function readKept(file) {
  let fd;
  try {
    if (!isOurs(lstatSync(dirname(file)))) return undefined;
    fd = openSync(file);
    const stat = fstatSync(fd);
    if (!isOurs(stat)) return undefined;
    const bytes = readFileSync(fd);
    const end = bytes.length - trailerSize;
    // V8 checks the length and the version, not the code.
    if (end <= 0 || crc32(bytes.subarray(0, end + 1)) !== bytes.readUInt32LE(end + 1)) return undefined;
    return { code: bytes.subarray(0, end), runs: bytes[end], age: Date.now() - stat.mtimeMs };
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function isOurs({ uid, mode }) {
  return uid === process.geteuid() && (mode & 0o022) === 0;
}

/** Keeps `code`, if it can be: without it, the next start takes longer. */
function keep(file, code, runs) {
  const directory = dirname(file);
  const temporary = `${file}.${process.pid}`;
  const trailer = Buffer.alloc(trailerSize, runs);
  trailer.writeUInt32LE(crc32(trailer.subarray(0, 1), crc32(code)), 1);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    if (!isOurs(lstatSync(directory))) return;
    writeFileSync(temporary, Buffer.concat([code, trailer]), { flag: "wx", mode: 0o600 });
    renameSync(temporary, file);
    removeOld(directory);
  } catch {
    try {
      unlinkSync(temporary);
    } catch {
      // there is none
    }
  }
}

/** Removes what no run has renewed for a month: code of other versions, and what a killed process left. */
function removeOld(directory) {
  for (const name of readdirSync(directory)) {
    const file = join(directory, name);
    if (Date.now() - lstatSync(file).mtimeMs > 30 * day) rmSync(file, { force: true, recursive: true });
  }
}
