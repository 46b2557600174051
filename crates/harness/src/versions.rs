//! The versions of Kafka that tests run against.

/// An ignored test for each version of Kafka from functions that take the version, one after the other.
#[macro_export]
macro_rules! on_each_version {
    ($($name:ident)*) => {
        $crate::on_each_version! { @ kafka_4_3_1 "4.3.1" $($name)* }
        $crate::on_each_version! { @ kafka_3_9_1 "3.9.1" $($name)* }
    };
    (@ $module:ident $version:literal $($name:ident)*) => {
        mod $module {
            $(
                #[test]
                #[ignore = "needs Kafka: run by .ci/run"]
                fn $name() {
                    let _turn = $crate::turn();
                    super::$name($version);
                }
            )*
        }
    };
}

/// The versions that a test of several is to run on: those that `KAFKA_PRODUCER_KAFKA_VERSIONS` names (`2.1.1 2.8.2 3.9.1
/// 4.3.1`, or `all`), else the newest.
pub fn versions_asked_for() -> Vec<&'static str> {
    let asked = std::env::var("KAFKA_PRODUCER_KAFKA_VERSIONS").unwrap_or_else(|_| ALL[0].to_owned());
    if asked == "all" {
        return ALL.to_vec();
    }
    let known = |asked: &str| ALL.into_iter().find(|version| *version == asked);
    let found = asked.split_whitespace().map(|asked| {
        known(asked).unwrap_or_else(|| panic!("KAFKA_PRODUCER_KAFKA_VERSIONS: {asked} is none of {ALL:?}"))
    });
    found.collect()
}

const ALL: [&str; 4] = ["4.3.1", "3.9.1", "2.8.2", "2.1.1"];
