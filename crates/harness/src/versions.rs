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
