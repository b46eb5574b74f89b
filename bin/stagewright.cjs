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
require("module").enableCompileCache();
import(require("url").pathToFileURL(modulePath).href).then(function (cli) {
  return cli.main(process.argv.slice(2));
});
