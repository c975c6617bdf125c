//! Documents: the list, and one to read.

use maud::{Markup, html};

use super::super::record::{Attachment, Document};
use super::Part;
use super::layout::{Frame, Tab, day, head, missing, nothing};

/// The list of documents.
pub(in super::super) fn documents(frame: Frame<'_>, part: &Part<Vec<Document>>) -> Markup {
    frame.page(
        Tab::Documents,
        &html! {
            (head("Documents", "Notes and letters about your visits, newest first."))
            @match part {
                Ok(all) if all.is_empty() => (nothing("Nothing here yet.")),
                Ok(all) => div.card { ul.rows { @for document in all { li { (row(frame, document)) } } } },
                Err(trouble) => (missing(trouble)),
            }
        },
    )
}

fn row(frame: Frame<'_>, document: &Document) -> Markup {
    html! {
        div.row {
            div.what {
                a href={ "/documents/" (document.id) } { (document.title) span.hidden { " of " (day(document.when, frame.clock)) } }
                span.small {
                    @if let Some(about) = &document.about { (about) }
                    @if let Some(author) = &document.author { " · " bdi { (author) } }
                }
            }
            span.small { (day(document.when, frame.clock)) }
        }
    }
}

/// One document.
pub(in super::super) fn document(frame: Frame<'_>, document: &Document, text: &Part<Attachment>) -> Markup {
    frame.page(Tab::Documents, &html! {
        p.back { a href="/documents" { "← All documents" } }
        article.card.paper aria-labelledby="title" {
            h1 #title { (document.title) }
            p.small { (day(document.when, frame.clock)) @if let Some(author) = &document.author { " · " bdi { (author) } } }
            @match text {
                Ok(Attachment::Text(text)) => div.text dir="auto" { @for line in text.split("\n\n") { p { (line) } } },
                Ok(Attachment::Other(kind)) => (nothing(&format!("This document is {kind}, which the portal does not show. Ask the front desk for a copy."))),
                Ok(_) => (nothing("This document is empty.")),
                Err(trouble) => (missing(trouble)),
            }
        }
    })
}
