//! The APIs that the broker speaks, in which versions, and how their requests look.

use kafka_protocol::{
    error::ResponseError,
    messages::{ApiKey, ApiVersionsResponse, api_versions_response::ApiVersion},
};

use super::shape::{Field, array, bytes, fixed, list, text};

/// An API that is spoken.
#[derive(Debug)]
pub(crate) struct Support {
    /// The API.
    pub(crate) api: ApiKey,
    oldest: i16,
    newest: i16,
    /// Its request's fields.
    pub(crate) shape: &'static [Field],
}

impl Support {
    /// Whether this version is spoken.
    pub(crate) fn speaks(&self, version: i16) -> bool {
        self.versions().contains(&version)
    }

    /// All versions that are spoken.
    pub(crate) fn versions(&self) -> std::ops::RangeInclusive<i16> {
        self.oldest..=self.newest
    }
}

/// An API by its key.
pub(crate) fn support(api: ApiKey) -> Option<&'static Support> {
    SUPPORTED.iter().find(|support| support.api == api)
}

/// What a client is told that asks what is spoken.
pub(crate) fn supported() -> ApiVersionsResponse {
    let api_keys = SUPPORTED
        .iter()
        .map(|support| {
            ApiVersion::default()
                .with_api_key(support.api as i16)
                .with_min_version(support.oldest)
                .with_max_version(support.newest)
        })
        .collect();
    ApiVersionsResponse::default().with_api_keys(api_keys)
}

/// What a client is told that asks in a version of the question which is not spoken.
pub(crate) fn unsupported() -> ApiVersionsResponse {
    supported().with_error_code(ResponseError::UnsupportedVersion.code())
}

const fn api(api: ApiKey, oldest: i16, newest: i16, shape: &'static [Field]) -> Support {
    Support { api, oldest, newest, shape }
}

/// All that is spoken, by key. The shapes follow the protocol's message definitions.
pub(crate) const SUPPORTED: [Support; 24] = [
    api(
        ApiKey::Produce,
        3,
        13,
        &[text(), fixed(2 + 4), array(&[text().until(12), fixed(16).since(13), array(&[fixed(4), bytes()])])],
    ),
    api(
        ApiKey::Fetch,
        4,
        16,
        &[
            fixed(4).until(14),
            fixed(4 + 4 + 4 + 1),
            fixed(4 + 4).since(7),
            array(&[
                text().until(12),
                fixed(16).since(13),
                array(&[
                    fixed(4),
                    fixed(4).since(9),
                    fixed(8),
                    fixed(4).since(12),
                    fixed(8).since(5),
                    fixed(4),
                ]),
            ]),
            array(&[text().until(12), fixed(16).since(13), list(4)]).since(7),
            text().since(11),
        ],
    ),
    api(
        ApiKey::ListOffsets,
        1,
        9,
        &[fixed(4), fixed(1).since(2), array(&[text(), array(&[fixed(4), fixed(4).since(4), fixed(8)])])],
    ),
    api(
        ApiKey::Metadata,
        0,
        13,
        &[
            array(&[fixed(16).since(10), text()]),
            fixed(1).since(4),
            fixed(1).since(8).until(10),
            fixed(1).since(8),
        ],
    ),
    api(
        ApiKey::OffsetCommit,
        2,
        9,
        &[
            text(),
            fixed(4),
            text(),
            text().since(7),
            fixed(8).until(4),
            array(&[text(), array(&[fixed(4 + 8), fixed(4).since(6), text()])]),
        ],
    ),
    api(
        ApiKey::OffsetFetch,
        1,
        9,
        &[
            text().until(7),
            array(&[text(), list(4)]).until(7),
            array(&[text(), text().since(9), fixed(4).since(9), array(&[text(), list(4)])]).since(8),
            fixed(1).since(7),
        ],
    ),
    api(ApiKey::FindCoordinator, 0, 6, &[text().until(3), fixed(1).since(1), list(0).since(4)]),
    api(
        ApiKey::JoinGroup,
        0,
        9,
        &[
            text(),
            fixed(4),
            fixed(4).since(1),
            text(),
            text().since(5),
            text(),
            array(&[text(), bytes()]),
            text().since(8),
        ],
    ),
    api(ApiKey::Heartbeat, 0, 4, &[text(), fixed(4), text(), text().since(3)]),
    api(
        ApiKey::LeaveGroup,
        0,
        5,
        &[text(), text().until(2), array(&[text(), text(), text().since(5)]).since(3)],
    ),
    api(
        ApiKey::SyncGroup,
        0,
        5,
        &[
            text(),
            fixed(4),
            text(),
            text().since(3),
            text().since(5),
            text().since(5),
            array(&[text(), bytes()]),
        ],
    ),
    api(ApiKey::DescribeGroups, 0, 6, &[list(0), fixed(1).since(3)]),
    api(ApiKey::ListGroups, 0, 5, &[list(0).since(4), list(0).since(5)]),
    api(ApiKey::ApiVersions, 0, 4, &[text().since(3), text().since(3)]),
    api(
        ApiKey::CreateTopics,
        2,
        7,
        &[
            array(&[text(), fixed(4 + 2), array(&[fixed(4), list(4)]), array(&[text(), text()])]),
            fixed(4 + 1),
        ],
    ),
    api(ApiKey::DeleteTopics, 1, 6, &[array(&[text(), fixed(16)]).since(6), list(0).until(5), fixed(4)]),
    api(ApiKey::DeleteRecords, 0, 2, &[array(&[text(), array(&[fixed(4 + 8)])]), fixed(4)]),
    api(ApiKey::InitProducerId, 0, 5, &[text(), fixed(4), fixed(8 + 2).since(3)]),
    api(ApiKey::DescribeConfigs, 1, 4, &[array(&[fixed(1), text(), list(0)]), fixed(1), fixed(1).since(3)]),
    api(ApiKey::AlterConfigs, 0, 2, &[array(&[fixed(1), text(), array(&[text(), text()])]), fixed(1)]),
    api(ApiKey::CreatePartitions, 0, 3, &[array(&[text(), fixed(4), array(&[list(4)])]), fixed(4 + 1)]),
    api(ApiKey::DeleteGroups, 0, 2, &[list(0)]),
    api(
        ApiKey::IncrementalAlterConfigs,
        0,
        1,
        &[array(&[fixed(1), text(), array(&[text(), fixed(1), text()])]), fixed(1)],
    ),
    api(ApiKey::DescribeCluster, 0, 2, &[fixed(1), fixed(1).since(1), fixed(1).since(2)]),
];
