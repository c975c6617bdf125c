//! `consents = { … }` and `relations = { … }` of an API: what the bridge itself reads from its upstream.

use bascule_gateway::settings::{ConsentFeed, Feeds, RelationFeed};
use bascule_policy::read::{Reader, Section};

/// Seconds between two readings of consents, and for which one is relied on, unless the configuration says otherwise.
const CONSENTS: ConsentFeed = ConsentFeed { poll_seconds: 60, age_seconds_max: 300 };
/// Seconds between two readings of relations.
const RELATIONS: RelationFeed = RelationFeed { poll_seconds: 300 };
/// Seconds that any of them may be.
const SECONDS: std::ops::RangeInclusive<i64> = 1..=86_400;

pub(super) fn read(api: &mut Section<'_>, reader: &mut Reader<'_>) -> Feeds {
    let consents = api.section("consents", reader).map(|mut section| {
        let feed = ConsentFeed {
            poll_seconds: seconds(&mut section, "poll_seconds", CONSENTS.poll_seconds, reader),
            age_seconds_max: seconds(&mut section, "age_seconds_max", CONSENTS.age_seconds_max, reader),
        };
        if feed.age_seconds_max < feed.poll_seconds {
            let mend = "let `age_seconds_max` be several times `poll_seconds`";
            reader.fault(section.span(), "a reading of consents would be too old before the next", mend);
        }
        section.finish(reader);
        feed
    });
    let relations = api.section("relations", reader).map(|mut section| {
        let poll_seconds = seconds(&mut section, "poll_seconds", RELATIONS.poll_seconds, reader);
        section.finish(reader);
        RelationFeed { poll_seconds }
    });
    Feeds { consents, relations }
}

fn seconds(section: &mut Section<'_>, key: &'static str, usual: i64, reader: &mut Reader<'_>) -> i64 {
    let Some(number) = section.number(key, reader) else { return usual };
    let found = i64::try_from(number).ok().filter(|seconds| SECONDS.contains(seconds));
    found.unwrap_or_else(|| {
        let message = format!("`{key}` is not between {} and {}", SECONDS.start(), SECONDS.end());
        reader.fault(section.span(), message, format!("write {key} = {usual}"));
        usual
    })
}
