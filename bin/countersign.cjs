#!/usr/bin/env node
// Old syntax on purpose: this file must at least start on any Node, to say what is missing.
"use strict";
var path = require("path");
var fs = require("fs");
var child = require("child_process");
var os = require("os");

var needed = 26;
var major = Number(process.versions.node.split(".")[0]);
var root = path.join(__dirname, "..");
var pinned = path.join(root, "node_modules", ".bin", "node");
var main = [path.join(root, "cli", "main.ts"), path.join(root, "cli", "main.js")].filter(fs.existsSync)[0];

if (major >= needed) {
  void import(main);
} else if (fs.existsSync(pinned)) {
  var run = child.spawn(pinned, ["--disable-sigusr1", main].concat(process.argv.slice(2)), {
    stdio: "inherit",
  });
  ["SIGINT", "SIGTERM", "SIGHUP"].forEach((signal) => {
    process.on(signal, () => {
      run.kill(signal);
    });
  });
  run.on("exit", (code, signal) => {
    process.exit(signal ? 128 + os.constants.signals[signal] : code);
  });
} else {
  console.error("countersign needs Node " + needed + " or newer; this is " + process.version + ".");
  process.exit(69);
}
