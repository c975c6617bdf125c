//! The documents by which clients find us.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bascule_smart::discovery;
use serde_json::{Value, json};

use super::cors;
use super::respond::{Failure, public_json};
use super::state::SmartState;

const MINUTES: &str = "public, max-age=300";

/// `{base}/.well-known/smart-configuration`
pub(crate) async fn smart(State(state): State<SmartState>) -> Response {
    public(&discovery::smart_configuration(state.server()))
}

/// `/.well-known/openid-configuration`
pub(crate) async fn openid(State(state): State<SmartState>) -> Response {
    public(&discovery::openid_configuration(state.server()))
}

/// `/oauth/jwks`: the keys that sign id_tokens, those of soon and of just before too.
pub(crate) async fn key_set(State(state): State<SmartState>) -> Response {
    match state.store().published_keys(state.now()) {
        Ok(keys) => public(&json!({"keys": keys.into_iter().map(|key| key.jwk).collect::<Vec<_>>()})),
        Err(error) => Failure::from(error).into_response(),
    }
}

/// `smart_style_url`: the look of the house, for apps that want to fit in.
pub(crate) async fn style() -> Response {
    public(&json!({
        "color_background": "#f5f6f4", "color_error": "#a3271b", "color_highlight": "#1d5c63",
        "color_modal_backdrop": "", "color_success": "#2f6b3a", "color_text": "#1d2524",
        "dim_border_radius": "8px", "dim_font_size": "16px", "dim_spacing_size": "20px",
        "font_family_body": "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
        "font_family_heading": "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
    }))
}

fn public(body: &Value) -> Response {
    let mut response = public_json(body, MINUTES);
    cors::any(&mut response);
    response
}
