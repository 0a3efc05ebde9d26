//! Media types of GraphQL over HTTP.

use http::{HeaderMap, HeaderValue, header::ACCEPT};

/// What the response is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// `application/json`: the status says only whether this was a GraphQL request.
    Json,
    /// `application/graphql-response+json`: the status tells of GraphQL errors too.
    GraphQL,
    /// `text/event-stream`
    EventStream,
    /// Apollo's `multipart/mixed;subscriptionSpec=1.0`: only for subscriptions.
    Multipart,
}

impl Media {
    /// The `content-type` of the response.
    pub(crate) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json | Self::Multipart => "application/json; charset=utf-8",
            Self::GraphQL => "application/graphql-response+json; charset=utf-8",
            Self::EventStream => "text/event-stream",
        })
    }
}

/// The media type that the client likes best; the first named of equals. None
/// where it accepts nothing that there is. Who says nothing gets `application/json`.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<Media> {
    let mut best: Option<(Media, f32)> = None;
    let mut any = false;
    for value in headers.get_all(ACCEPT) {
        let Ok(text) = value.to_str() else { continue };
        for entry in text.split(',').filter(|entry| !entry.trim().is_empty()) {
            any = true;
            let Some((media, quality)) = entry_of(entry) else {
                continue;
            };
            if quality > 0.0 && best.is_none_or(|(_, known)| quality > known) {
                best = Some((media, quality));
            }
        }
    }
    match (best, any) {
        (Some((media, _)), _) => Some(media),
        (None, true) => None,
        (None, false) => Some(Media::Json),
    }
}

fn entry_of(entry: &str) -> Option<(Media, f32)> {
    let mut parts = entry.split(';').map(str::trim);
    let media = match parts.next()?.to_ascii_lowercase().as_str() {
        "application/json" | "application/*" | "*/*" => Media::Json,
        "application/graphql-response+json" => Media::GraphQL,
        "text/event-stream" => Media::EventStream,
        // Without it, what is meant is `@defer`, or something that isn't GraphQL's.
        "multipart/mixed" if parts.clone().any(is_subscription_spec) => Media::Multipart,
        _ => return None,
    };
    let quality = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(Some(1.0), |(_, value)| value.trim().parse().ok())?;
    Some((media, quality))
}

fn is_subscription_spec(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("subscriptionspec")
            && value.trim().trim_matches('"') == "1.0"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> Option<Media> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_str(accept).unwrap());
        accepted(&headers)
    }

    #[test]
    fn the_best_accepted_type_is_chosen() {
        assert_eq!(accepted(&HeaderMap::new()), Some(Media::Json));
        assert_eq!(of("*/*"), Some(Media::Json));
        assert_eq!(
            of("application/graphql-response+json, application/json;q=0.9"),
            Some(Media::GraphQL)
        );
        assert_eq!(
            of("application/graphql-response+json;q=0.5, application/json"),
            Some(Media::Json)
        );
        assert_eq!(of("text/event-stream"), Some(Media::EventStream));
        assert_eq!(
            of("multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0,application/json"),
            Some(Media::Multipart)
        );
        assert_eq!(of("multipart/mixed;deferSpec=20220824,application/json"), Some(Media::Json));
        assert_eq!(of("multipart/mixed"), None);
        assert_eq!(of("text/html"), None);
        assert_eq!(of("application/json;q=0"), None);
    }
}
