// Parse an AsyncAPI document; print each error and end with 1 when there is one.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const ERROR = 0;
const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const errors = diagnostics.filter((found) => found.severity === ERROR);
for (const { path, message } of errors) console.log(`${path.join(".")}: ${message}`);
process.exit(errors.length === 0 && document !== undefined ? 0 : 1);
