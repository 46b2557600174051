//! The end of the exchange: what protects the bytes behind it. In Kafka nothing does: TLS is for that.
//!
//! Owns: the four bytes of each side. Must not know: how they are wrapped.
//! Source: RFC 4752, 3.1 and 3.3.

/// What to say to the broker's offer: no layer, no buffer, and whose name to act under.
pub(super) fn answer(offer: &[u8], authorization_id: &str) -> Result<Vec<u8>, String> {
    let [layers, _, _, _] = offer else {
        return Err(format!("its offer of security layers has {} bytes in place of 4", offer.len()));
    };
    if layers & NO_LAYER == 0 {
        return Err("it insists on a security layer of SASL, which Kafka does not have: TLS is in its place"
            .to_owned());
    }
    Ok([&[NO_LAYER, 0, 0, 0], authorization_id.as_bytes()].concat())
}

const NO_LAYER: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_layer_is_chosen_where_it_is_offered_whatever_else_is() {
        for offer in [[1, 0, 0, 0], [7, 0, 255, 255], [3, 255, 255, 255]] {
            assert_eq!(answer(&offer, "alice@TEST.LOCAL").unwrap(), b"\x01\0\0\0alice@TEST.LOCAL");
        }
        assert_eq!(answer(&[1, 0, 0, 0], "").unwrap(), [1, 0, 0, 0]);
    }

    #[test]
    fn no_other_layer_is_agreed_to_and_nothing_else_is_an_offer() {
        for offer in [[0, 0, 0, 0], [2, 0, 16, 0], [4, 0, 16, 0], [6, 1, 2, 3]] {
            assert!(answer(&offer, "alice").unwrap_err().contains("TLS"), "{offer:?}");
        }
        for offer in [&[][..], &[1], &[1, 0, 0], &[1, 0, 0, 0, 0]] {
            assert!(answer(offer, "alice").unwrap_err().contains("in place of 4"), "{offer:?}");
        }
    }
}
