// `client.js` has the exports that `client.d.ts` declares, and no others.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import ts from "typescript";

/** The classes of a declaration file: their static and their other members. */
async function declared(path) {
  const text = await readFile(path, "utf8");
  const source = ts.createSourceFile("client.d.ts", text, ts.ScriptTarget.ES2022);
  const isPrivate = (member) => ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Private;
  const classes = {};
  for (const statement of source.statements.filter(ts.isClassDeclaration)) {
    const members = statement.members.filter((member) => member.name && !isPrivate(member));
    const of = (flag) =>
      members
        .filter((member) => Boolean(ts.getCombinedModifierFlags(member) & ts.ModifierFlags.Static) === flag)
        .map((member) => member.name.text)
        .sort();
    const base = statement.heritageClauses?.[0].types[0].expression.text;
    classes[statement.name.text] = { base, own: of(false), statics: of(true) };
  }
  return classes;
}

for (const folder of ["fixture", "demo"]) {
  test(`the ${folder}'s client has the exports of its types`, async () => {
    const types = await declared(new URL(`../${folder}/client.d.ts`, import.meta.url));
    const module = await import(`../${folder}/client.js`);
    assert.deepEqual(Object.keys(module).sort(), Object.keys(types).sort());
    for (const [name, { base, own, statics }] of Object.entries(types)) {
      assert.equal(Object.getPrototypeOf(module[name]).name, base ?? "", name);
      if (base === "Error") continue;
      const methods = Object.getOwnPropertyNames(module[name].prototype).filter((it) => it !== "constructor");
      assert.deepEqual(methods.sort(), own, name);
      for (const member of statics) assert.equal(typeof module[name][member], "function", `${name}.${member}`);
    }
  });
}

test("no public type is `any`", async () => {
  for (const folder of ["fixture", "demo"]) {
    const text = await readFile(new URL(`../${folder}/client.d.ts`, import.meta.url), "utf8");
    const source = ts.createSourceFile("client.d.ts", text, ts.ScriptTarget.ES2022);
    const visit = (node) => {
      assert.notEqual(node.kind, ts.SyntaxKind.AnyKeyword, folder);
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
});
