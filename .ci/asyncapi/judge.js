// Checks AsyncAPI documents: node judge.js MODULES FILE...
//
// MODULES is the folder with the `node_modules` of `package.json`. A document passes if
// - the official parser reports neither an error nor a warning (notes are listed),
// - ajv compiles the payloads, the named schemas and the schemas of the path parameters,
// - the examples fit their payloads,
// - the WebSocket bindings match AsyncAPI's schema of them, and ajv compiles their content,
// - each channel has the parameters of its address, and no others.
// Then the first document is damaged in six ways, and each damage must be found by its check.

const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");

const [modules, ...files] = process.argv.slice(2);
if (!modules || files.length === 0) {
  console.error("usage: node judge.js MODULES FILE...");
  process.exit(2);
}
const load = createRequire(path.resolve(modules, "package.json"));
const { Parser } = load("@asyncapi/parser");
const Ajv = load("ajv");
const BINDING = "http://asyncapi.com/bindings/websockets/0.1.0/channel.json";
const ASYNCAPI = load("@asyncapi/specs/schemas/3.0.0.json");

const SEVERITIES = ["error", "warning", "information", "hint"];
const parser = new Parser();

/** Collects the faults of a document, each with the name of the check. */
class Verdict {
  faults = [];
  notes = new Map();

  fault(judge, text) {
    this.faults.push({ judge, text });
  }

  note(code) {
    this.notes.set(code, (this.notes.get(code) ?? 0) + 1);
  }
}

async function judged(document, name) {
  const verdict = new Verdict();
  const { diagnostics } = await parser.parse(JSON.stringify(document), { source: name });
  for (const { severity, code, path: place, message } of diagnostics) {
    if (severity > 1) verdict.note(`${SEVERITIES[severity]} ${code}`);
    else verdict.fault("parser", `${SEVERITIES[severity]} ${code} at ${place.join("/")}: ${message}`);
  }
  judgeSchemas(document, verdict);
  judgeChannels(document, verdict);
  return verdict;
}

function judgeSchemas(document, verdict) {
  // `strict: false` because ajv does not know the formats of integers.
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(document, "document");
  const compiled = (pointer) => {
    try {
      const schema = pointer.split("/").slice(1).reduce((value, key) => value[unescaped(key)], document);
      if (!ajv.validateSchema(schema)) throw new Error(ajv.errorsText());
      return ajv.compile({ $ref: `document#${pointer}` });
    } catch (error) {
      verdict.fault("schema", `${pointer}: ${error.message}`);
      return undefined;
    }
  };
  const { messages = {}, schemas = {} } = document.components ?? {};
  for (const name of Object.keys(schemas)) compiled(`/components/schemas/${escaped(name)}`);
  for (const [name, message] of Object.entries(messages)) {
    const isValid = compiled(`/components/messages/${escaped(name)}/payload`);
    for (const { payload } of message.examples ?? []) {
      if (isValid && !isValid(payload)) {
        verdict.fault("example", `${name}: ${ajv.errorsText(isValid.errors)}`);
      }
    }
  }
  for (const [name, channel] of Object.entries(document.channels)) {
    const pointer = `/channels/${escaped(name)}`;
    for (const parameter of Object.keys(channel.parameters ?? {})) {
      compiled(`${pointer}/parameters/${escaped(parameter)}/x-ws-schema`);
    }
    for (const part of ["query", "headers"]) {
      if (channel.bindings?.ws?.[part]) compiled(`${pointer}/bindings/ws/${part}`);
    }
  }
}

function judgeChannels(document, verdict) {
  // AsyncAPI's schema contains the metaschema, which ajv loads anyway.
  const ajv = new Ajv({ strict: false, validateFormats: false, meta: false, validateSchema: false });
  ajv.addSchema(ASYNCAPI);
  const isBinding = ajv.getSchema(BINDING);
  for (const [name, channel] of Object.entries(document.channels)) {
    const binding = channel.bindings?.ws;
    if (binding && !isBinding(binding)) {
      verdict.fault("binding", `${name}: ${ajv.errorsText(isBinding.errors)}`);
    }
    for (const part of ["query", "headers"]) {
      const schema = binding?.[part];
      // Required by the text of the binding, but not by its schema.
      if (schema && (schema.type !== "object" || !schema.properties)) {
        verdict.fault("binding", `${name}: ${part} is not an object with properties`);
      }
    }
    const wanted = [...channel.address.matchAll(/\{([^}]*)\}/g)].map(([, parameter]) => parameter).sort();
    const given = Object.keys(channel.parameters ?? {}).sort();
    if (String(wanted) !== String(given)) {
      verdict.fault("parameter", `${name}: the address has ${wanted}, the channel ${given}`);
    }
  }
}

const escaped = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");
const unescaped = (key) => key.replaceAll("~1", "/").replaceAll("~0", "~");

/** Returns the first value for which the function is true. */
function first(object, isWanted, thing) {
  const found = Object.values(object).find(isWanted);
  if (!found) throw new Error(`the first document has no ${thing}, which the checks need`);
  return found;
}

/** The damages of a document, each with the check that must find it. */
const SPOILERS = [
  ["an operation with an unknown action", "parser", (document) => {
    first(document.operations, () => true, "operation").action = "call";
  }],
  ["a reference without a target", "parser", (document) => {
    const operation = first(document.operations, (it) => it.reply, "reply");
    operation.reply.messages[0].$ref += ".absent";
  }],
  ["a schema with an unknown type", "schema", (document) => {
    first(document.components.schemas, (it) => it.type === "object", "object").type = "struct";
  }],
  ["an example without its data", "example", (document) => {
    const hasData = (it) => it.examples && it.payload.required.includes("data");
    delete first(document.components.messages, hasData, "example with data").examples[0].payload.data;
  }],
  ["a query that is not an object", "binding", (document) => {
    first(document.channels, (it) => it.bindings.ws.query, "query").bindings.ws.query = "room=1";
  }],
  ["an address with another parameter", "parameter", (document) => {
    first(document.channels, (it) => it.parameters, "parameter").address += "/{other}";
  }],
];

async function main() {
  let isGood = true;
  const documents = files.map((file) => [file, JSON.parse(fs.readFileSync(file, "utf8"))]);
  for (const [file, document] of documents) {
    const { faults, notes } = await judged(document, file);
    const count = (part) => Object.keys(part).length;
    const { channels, operations, components } = document;
    const examples = Object.values(components.messages).flatMap((message) => message.examples ?? []);
    console.log(
      `${file}: ${count(channels)} channels, ${count(operations)} operations, ` +
        `${count(components.messages)} messages with ${examples.length} examples, ` +
        `${count(components.schemas)} schemas`,
    );
    for (const [note, times] of notes) console.log(`  ${note}: ${times} times`);
    for (const { judge, text } of faults) console.log(`  FAULT of ${judge}: ${text}`);
    isGood &&= faults.length === 0;
  }
  const [[file, document]] = documents;
  for (const [name, judge, spoil] of SPOILERS) {
    const spoilt = structuredClone(document);
    spoil(spoilt);
    const { faults } = await judged(spoilt, file);
    const isNoticed = faults.some((fault) => fault.judge === judge);
    console.log(`${isNoticed ? "refused" : "NOT REFUSED"}: ${name} (${judge})`);
    isGood &&= isNoticed;
  }
  process.exitCode = isGood ? 0 : 1;
}

main();
