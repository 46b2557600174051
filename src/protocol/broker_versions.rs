//! `BrokerVersions`: what one broker said that it speaks, and the choice of a version.

use std::ops::RangeInclusive;

use super::messages::ApiVersionsResponse;
use super::request::Request;
use crate::error::{Error, ErrorKind};

/// The versions of each API that a broker speaks, and the features that its cluster has switched on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BrokerVersions {
    /// `(API key, oldest, newest)`, by key.
    apis: Vec<(i16, i16, i16)>,
    finalized_features: Vec<(String, i16)>,
}

impl BrokerVersions {
    /// The newest version that broker, crate and this request have in common.
    pub(crate) fn choose<R: Request>(&self, request: &R) -> Result<i16, Error> {
        let ours = request.oldest_version()..=request.newest_version();
        let Some(theirs) = self.range(R::KEY) else { return Err(not_spoken::<R>(&ours)) };
        let newest = *ours.end().min(theirs.end());
        let oldest = *ours.start().max(theirs.start());
        if oldest <= newest { Ok(newest) } else { Err(no_overlap::<R>(&ours, &theirs)) }
    }

    /// The versions of an API that the broker speaks, if it speaks it at all.
    pub(crate) fn range(&self, key: i16) -> Option<RangeInclusive<i16>> {
        let at = self.apis.binary_search_by_key(&key, |api| api.0).ok()?;
        self.apis.get(at).map(|(_, oldest, newest)| *oldest..=*newest)
    }
}

impl From<&ApiVersionsResponse> for BrokerVersions {
    fn from(response: &ApiVersionsResponse) -> Self {
        let mut apis: Vec<_> =
            response.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        apis.sort_unstable();
        let known = response.finalized_features_epoch >= 0;
        let finalized = response.finalized_features.iter().filter(|_| known);
        let finalized_features =
            finalized.map(|feature| (feature.name.clone(), feature.max_version_level)).collect();
        BrokerVersions { apis, finalized_features }
    }
}

fn not_spoken<R: Request>(ours: &RangeInclusive<i16>) -> Error {
    let (name, ours) = (R::NAME, ShownVersions(ours));
    let message = format!(
        "{name} version {ours} is needed, and the broker does not have this API (is it a controller's listener?)"
    );
    Error::new(ErrorKind::UnsupportedVersion, message)
}

fn no_overlap<R: Request>(ours: &RangeInclusive<i16>, theirs: &RangeInclusive<i16>) -> Error {
    let (name, ours, theirs) = (R::NAME, ShownVersions(ours), ShownVersions(theirs));
    let message = format!("{name} version {ours} is needed, and the broker speaks {theirs}");
    Error::new(ErrorKind::UnsupportedVersion, message)
}

/// `3 to 13`.
struct ShownVersions<'a>(&'a RangeInclusive<i16>);

impl std::fmt::Display for ShownVersions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.0.start(), self.0.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::{ApiVersion, ApiVersionsRequest};

    fn broker(api_keys: &[(i16, i16, i16)]) -> BrokerVersions {
        let api = |&(api_key, min_version, max_version): &_| ApiVersion { api_key, min_version, max_version };
        let api_keys = api_keys.iter().map(api).collect();
        BrokerVersions::from(&ApiVersionsResponse { api_keys, ..ApiVersionsResponse::default() })
    }

    fn chosen(api_keys: &[(i16, i16, i16)]) -> Result<i16, String> {
        let request = ApiVersionsRequest { client_software_name: "n", client_software_version: "v" };
        broker(api_keys).choose(&request).map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
            error.to_string()
        })
    }

    #[test]
    fn the_newest_common_version_is_chosen() {
        assert_eq!(chosen(&[(18, 0, 3)]), Ok(3));
        assert_eq!(chosen(&[(19, 0, 1), (18, 2, 9), (3, 0, 1)]), Ok(4));
        assert_eq!(chosen(&[(18, 4, 4)]), Ok(4));
    }

    #[test]
    fn without_a_common_version_the_error_names_api_and_ranges() {
        assert_eq!(
            chosen(&[(18, 5, 9)]).unwrap_err(),
            "ApiVersions version 0 to 4 is needed, and the broker speaks 5 to 9"
        );
        assert_eq!(
            chosen(&[(3, 0, 9)]).unwrap_err(),
            "ApiVersions version 0 to 4 is needed, and the broker does not have this API \
             (is it a controller's listener?)"
        );
    }
}
