// The examples of docs/browser.md: their types are checked, and the last one runs.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import ts from "typescript";

const folder = new URL("../docs/", import.meta.url);
const text = await readFile(new URL("browser.md", folder), "utf8");
const blocks = [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, block]) => block);

/** The examples as one module. An example can use the declarations of earlier ones. */
function module(blocks) {
  const lines = blocks.join("\n").split("\n");
  const code = lines.filter((line) => !line.startsWith("import "));
  return `import { CallLost, Room } from "../demo/client.js";\n${code.join("\n")}`;
}

test("the examples have no type errors", async () => {
  assert.equal(blocks.length, 7);
  const path = fileURLToPath(new URL("examples.mjs", folder));
  await writeFile(path, module(blocks));
  const options = {
    allowJs: true,
    checkJs: true,
    strict: true,
    noImplicitAny: false, // examples have no annotations
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts"],
    types: [],
  };
  const program = ts.createProgram([path], options);
  const faults = ts.getPreEmitDiagnostics(program).map(({ messageText, start, file }) => {
    const line = file?.text.slice(start, file.text.indexOf("\n", start));
    return `${ts.flattenDiagnosticMessageText(messageText, " ")}: ${line}`;
  });
  assert.deepEqual(faults, []);
});

test("the fake of the examples works", async () => {
  const path = new URL("fake.mjs", folder);
  await writeFile(path, module([blocks.at(-1)]));
  await import(path);
});
