//! Everything that can keep a page from being shown, in words for the person in front of it.

use axum::http::StatusCode;

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The bridge does not answer.
    Unreachable {
        /// For the log.
        why: String,
    },
    /// The bridge says no.
    Refused {
        status: StatusCode,
        /// The bridge's own sentence.
        words: Option<String>,
        /// The bridge's number for the request.
        request_id: Option<String>,
    },
    /// The bridge answers something else than was asked for.
    Unreadable { what: &'static str, request_id: Option<String> },
    /// The session has ended, or there was none.
    SessionOver,
    /// The sign-in was not begun here, or too long ago, or was answered twice.
    SignInStale,
    /// The sign-in was refused, by the bridge or by the person.
    SignInRefused { words: String },
    /// The answer to a sign-in is not from the bridge that was asked.
    SignInForged { what: &'static str },
    /// No such page.
    NoSuchPage,
    /// A form that was sent from elsewhere.
    ForeignForm,
    /// A message without text, with too much of it, or about something that cannot be chosen.
    EmptyMessage,
}

impl Trouble {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unreachable { .. } | Self::Unreadable { .. } => StatusCode::BAD_GATEWAY,
            Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND => StatusCode::NOT_FOUND,
            Self::Refused { status, .. } if status.is_client_error() => StatusCode::FORBIDDEN,
            Self::Refused { .. } => StatusCode::BAD_GATEWAY,
            Self::SessionOver => StatusCode::UNAUTHORIZED,
            Self::SignInStale | Self::SignInRefused { .. } | Self::SignInForged { .. } | Self::EmptyMessage => {
                StatusCode::BAD_REQUEST
            }
            Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::ForeignForm => StatusCode::FORBIDDEN,
        }
    }

    /// The headline.
    pub(super) fn title(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Unreadable { .. } => "Your record cannot be reached right now",
            Self::Refused { status, .. } if *status == StatusCode::NOT_FOUND => "This is not in your record",
            Self::Refused { status, .. } if status.is_client_error() => "This part of your record is not shared here",
            Self::Refused { .. } => "Your record cannot be reached right now",
            Self::SessionOver => "You have been signed out",
            Self::SignInStale | Self::SignInRefused { .. } | Self::SignInForged { .. } => "You are not signed in",
            Self::NoSuchPage => "There is no such page",
            Self::ForeignForm => "Nothing was done",
            Self::EmptyMessage => "The message was not sent",
        }
    }

    /// What happened, and what to do about it.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Unreachable { .. } => String::from(
                "The connection to your hospital did not work. Nothing is lost: please try again in a few minutes.",
            ),
            Self::Unreadable { what, .. } => {
                format!(
                    "The hospital answered, but {what}. Please try again; if it stays so, call us with the number below."
                )
            }
            Self::Refused { words, .. } => match words {
                Some(words) => format!("The hospital’s system answered: “{words}”."),
                None => String::from("The hospital’s system did not give a reason."),
            },
            Self::SessionOver => String::from(
                "For your safety, a visit ends after some minutes without use. Sign in again to go on where you were.",
            ),
            Self::SignInStale => String::from(
                "This sign-in was begun too long ago, in another browser, or was finished already. Please begin again.",
            ),
            Self::SignInRefused { words } => format!("The sign-in was not completed: {words}."),
            Self::SignInForged { what } => {
                format!(
                    "The answer to your sign-in could not be trusted: {what}. You were not signed in. Please begin again."
                )
            }
            Self::NoSuchPage => String::from("The address may be mistyped. Your record begins at the overview."),
            Self::EmptyMessage => {
                String::from("A message needs some text, and at most 2,000 characters of it. Go back and try again.")
            }
            Self::ForeignForm => String::from("A form came from another website. You are still signed in."),
        }
    }

    /// What a log may know of it.
    pub(super) fn cause(&self) -> &str {
        match self {
            Self::Unreachable { why } => why,
            Self::Unreadable { what, .. } | Self::SignInForged { what } => what,
            Self::Refused { status, .. } => status.as_str(),
            _ => "",
        }
    }

    /// The bridge's number for the request, if it gave one.
    pub(super) fn request_id(&self) -> Option<&str> {
        match self {
            Self::Refused { request_id, .. } | Self::Unreadable { request_id, .. } => request_id.as_deref(),
            _ => None,
        }
    }

    /// Whether signing in again is what helps.
    pub(super) fn asks_to_sign_in(&self) -> bool {
        matches!(self, Self::SessionOver | Self::SignInStale | Self::SignInRefused { .. } | Self::SignInForged { .. })
    }
}
