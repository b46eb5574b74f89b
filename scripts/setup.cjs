// Runs under whatever Node the machine has, so: old syntax only, no dependency.
// node scripts/setup.cjs SCRIPT.ts [ARGS]   sets the checkout up, then runs SCRIPT under the checkout's Node.
// node scripts/setup.cjs --cli [ARGS]       the same for the command line, in the directory npm was called from.
"use strict";
var fs = require("fs");
var path = require("path");
var childProcess = require("child_process");

var root = path.join(__dirname, "..");

function fail(message) {
  process.stderr.write(message + "\n");
  process.exit(1);
}

function installPackages() {
  var wanted = fs.readFileSync(path.join(root, "package-lock.json"));
  var mark = path.join(root, "node_modules", ".stagewright-lock");
  if (fs.existsSync(mark) && fs.readFileSync(mark).equals(wanted)) return;
  // An npm that npm itself started would take over this one's settings from the environment.
  var result = childProcess.spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (result.status !== 0) fail("npm ci failed; it needs the npm registry (see the lines above)");
  fs.writeFileSync(mark, wanted);
}

function nodeOfCheckout() {
  var major = Number(process.versions.node.split(".")[0]);
  var bundled = path.join(root, "node_modules", "node-linux-" + process.arch, "bin", "node");
  if (fs.existsSync(bundled)) return bundled;
  if (major >= 24) return process.execPath;
  fail(
    "stagewright needs Node 24 or newer; this is " +
      process.version +
      " and npm brought no other for " +
      process.arch,
  );
}

installPackages();
var node = nodeOfCheckout();
var args = process.argv.slice(2);
var env = Object.assign({}, process.env);
env.PATH = path.dirname(node) + path.delimiter + env.PATH;
var cwd = root;
if (args[0] === "--cli") {
  args[0] = path.join(root, "bin", "stagewright.cjs");
  env.STAGEWRIGHT_FROM_SOURCE = "1";
  cwd = process.env.INIT_CWD || process.cwd();
} else {
  args[0] = path.join(root, args[0]);
}
var child = childProcess.spawn(node, args, { stdio: "inherit", cwd: cwd, env: env });
["SIGINT", "SIGTERM", "SIGHUP"].forEach((signal) => {
  process.on(signal, () => {
    // The terminal sends SIGINT to the whole group; the child decides what it means.
    if (signal !== "SIGINT") child.kill(signal);
  });
});
child.on("exit", (code, signal) => {
  if (signal) process.kill(process.pid, signal);
  else process.exit(code);
});
