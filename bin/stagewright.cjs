#!/usr/bin/env node
// Old syntax only: a Node that is too old must get a sentence, not a syntax error.
"use strict";
var major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  process.stderr.write(
    "stagewright needs Node 24 or newer; this is " +
      process.version +
      ".\n" +
      "Install a newer one (for example `npm install --global n && n 24`) and try again.\n",
  );
  process.exit(1);
}
var path = require("path");
var modulePath = path.join(__dirname, "..", "dist", "cli.js");
// A checkout runs its sources, so that what was edited is what runs.
if (process.env.STAGEWRIGHT_FROM_SOURCE || !require("fs").existsSync(modulePath)) {
  modulePath = path.join(__dirname, "..", "src", "cli", "main.ts");
}
enableCompileCache();
import(require("url").pathToFileURL(modulePath).href).then(function (cli) {
  return cli.main(process.argv.slice(2));
});

// Compiled code is kept where nobody else can write: code planted there would be run. Node's own default is below the
// directory for temporary files, which is everybody's. Without such a place (no home directory, a read-only one) there is no
// cache, and the start takes longer. NODE_COMPILE_CACHE, when it is set, wins.
function enableCompileCache() {
  var root = process.geteuid && process.geteuid() === 0;
  var given = process.env.XDG_CACHE_HOME;
  var base = root ? "/var/cache" : given && path.isAbsolute(given) ? given : homeCache();
  if (process.env.NODE_COMPILE_CACHE) require("module").enableCompileCache();
  else if (base) require("module").enableCompileCache(path.join(base, "stagewright", "compiled"));
}

function homeCache() {
  var home = process.env.HOME || require("os").homedir();
  return home && path.isAbsolute(home) ? path.join(home, ".cache") : undefined;
}
