#!/bin/sh
":" //; exec node -- "$0" "$@"
// The line above is for the shell, and for Node a string and a comment. Without the two dashes Node would take an
// --env-file among our arguments for itself: read it into our own environment, and end when it is not there.
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
var bundle = path.join(__dirname, "..", "dist", "cli.cjs");
// `npm run stagewright` in a checkout asks for the sources, so that what was edited is what runs.
if (process.env.STAGEWRIGHT_FROM_SOURCE || !require("fs").existsSync(bundle)) {
  var sources = path.join(__dirname, "..", "src", "cli", "main.ts");
  import(require("url").pathToFileURL(sources).href).then(function (cli) {
    return cli.main(process.argv.slice(2));
  });
} else {
  require("./compiled.cjs").load(bundle, process.argv[2]).main(process.argv.slice(2));
}
