//! How passwords become keys: PBKDF1, PBKDF2, and the way of PKCS #12.
//!
//! Owns: the hashes, and what is made with them. Must not know: ciphers, formats.
//! Holds: whatever is made of a password is overwritten when it is dropped; what is compared, in constant time.
//! Source: RFC 8018 sections 5.1 and 5.2, RFC 7292 appendix B.

use hmac::digest::Digest;
use hmac::digest::block_api::{BlockSizeUser, EagerHash};
use hmac::{Hmac, KeyInit, Mac};
use zeroize::{Zeroize, Zeroizing};

/// The hashes that stores are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HashFunction {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512To224,
    Sha512To256,
}

/// Evaluates an expression with `$D` as the hash's type.
macro_rules! with_hash {
    ($hash:expr, $D:ident => $body:expr) => {
        match $hash {
            HashFunction::Md5 => {
                type $D = md5::Md5;
                $body
            }
            HashFunction::Sha1 => {
                type $D = sha1::Sha1;
                $body
            }
            HashFunction::Sha224 => {
                type $D = sha2::Sha224;
                $body
            }
            HashFunction::Sha256 => {
                type $D = sha2::Sha256;
                $body
            }
            HashFunction::Sha384 => {
                type $D = sha2::Sha384;
                $body
            }
            HashFunction::Sha512 => {
                type $D = sha2::Sha512;
                $body
            }
            HashFunction::Sha512To224 => {
                type $D = sha2::Sha512_224;
                $body
            }
            HashFunction::Sha512To256 => {
                type $D = sha2::Sha512_256;
                $body
            }
        }
    };
}

impl HashFunction {
    /// The hash of all parts, one after the other.
    pub(super) fn hash(self, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
        with_hash!(self, D => hash::<D>(parts))
    }

    /// Whether this is the HMAC of the message.
    pub(super) fn verifies(self, key: &[u8], message: &[u8], code: &[u8]) -> bool {
        with_hash!(self, D => Hmac::<D>::new_from_slice(key)
            .is_ok_and(|mac| mac.chain_update(message).verify_slice(code).is_ok()))
    }

    /// How many bytes a hash has.
    pub(super) fn output_bytes(self) -> usize {
        with_hash!(self, D => <D as Digest>::output_size())
    }

    /// PBKDF1 of RFC 8018: no more bytes than the hash has.
    pub(super) fn pbkdf1(self, password: &[u8], salt: &[u8], iterations: u32) -> Zeroizing<Vec<u8>> {
        let mut key = self.hash(&[password, salt]);
        for _ in 1..iterations {
            key = self.hash(&[&key]);
        }
        key
    }

    /// PBKDF2 of RFC 8018 with this hash's HMAC.
    pub(super) fn pbkdf2(
        self,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        bytes: usize,
    ) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(vec![0; bytes]);
        with_hash!(self, D => pbkdf2::pbkdf2_hmac::<D>(password, salt, iterations, &mut key));
        key
    }

    /// PKCS #12's own way, of a password as [`bmp_string`] writes it.
    pub(super) fn pkcs12(
        self,
        purpose: Pkcs12Purpose,
        password: &[u8],
        salt: &[u8],
        iterations: u32,
        bytes: usize,
    ) -> Zeroizing<Vec<u8>> {
        with_hash!(self, D => pkcs12::<D>(purpose, &[salt, password], iterations, bytes))
    }
}

/// What a key of PKCS #12 is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pkcs12Purpose {
    Key = 1,
    InitializationVector = 2,
    Mac = 3,
}

/// A password as PKCS #12 has it: two bytes a character, and two zero bytes at the end.
pub(super) fn bmp_string(password: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = utf16(password);
    bytes.extend([0, 0]);
    bytes
}

/// A password as Java has it: two bytes a character.
pub(super) fn utf16(password: &str) -> Zeroizing<Vec<u8>> {
    // Room for all and the end: what grows leaves its bytes behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(password.len() * 2 + 2));
    bytes.extend(password.encode_utf16().flat_map(u16::to_be_bytes));
    bytes
}

fn hash<D: Digest>(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut hash = D::new();
    for part in parts {
        hash.update(part);
    }
    let mut output = hash.finalize();
    let kept = Zeroizing::new(output.to_vec());
    output.as_mut_slice().zeroize();
    kept
}

/// RFC 7292 appendix B.2; its names: v and u are the hash's block and output, D says the purpose, I is what is hashed with
/// it, salt and password each repeated to whole blocks.
fn pkcs12<D: EagerHash>(
    purpose: Pkcs12Purpose,
    inputs: &[&[u8]; 2],
    iterations: u32,
    bytes: usize,
) -> Zeroizing<Vec<u8>> {
    let v = <D as BlockSizeUser>::block_size();
    let diversifier = vec![purpose as u8; v];
    let padded = |input: &[u8]| input.len().div_ceil(v) * v;
    let mut input = Zeroizing::new(Vec::with_capacity(inputs.iter().map(|input| padded(input)).sum()));
    for part in inputs {
        input.extend(part.iter().cycle().take(padded(part)));
    }
    let mut derived = Zeroizing::new(Vec::with_capacity(bytes + <D as Digest>::output_size()));
    loop {
        let mut a = hash::<D>(&[&diversifier, &input]);
        for _ in 1..iterations {
            a = hash::<D>(&[&a]);
        }
        derived.extend_from_slice(&a);
        if derived.len() >= bytes {
            derived.truncate(bytes);
            return derived;
        }
        let b = Zeroizing::new(a.iter().copied().cycle().take(v).collect::<Vec<u8>>());
        for block in input.chunks_mut(v) {
            add_and_one(block, &b);
        }
    }
}

/// `block + b + 1`, as numbers of as many bytes.
fn add_and_one(block: &mut [u8], b: &[u8]) {
    let mut carry = 1;
    for (digit, other) in block.iter_mut().zip(b).rev() {
        let sum = u16::from(*digit) + u16::from(*other) + carry;
        *digit = sum.to_be_bytes()[1];
        carry = sum >> 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hexadecimal(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 6070 and RFC 7914 section 11.
    #[test]
    fn pbkdf2_is_that_of_the_standards() {
        let key = HashFunction::Sha1.pbkdf2(
            b"passwordPASSWORDpassword",
            b"saltSALTsaltSALTsaltSALTsaltSALTsalt",
            4096,
            25,
        );
        assert_eq!(hexadecimal(&key), "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038");
        let key = HashFunction::Sha256.pbkdf2(b"passwd", b"salt", 1, 16);
        assert_eq!(hexadecimal(&key), "55ac046e56e3089fec1691c22544b605");
    }

    /// The vectors of Bouncy Castle's and Go's tests of PKCS #12, which go back to "PKCS 12 v1.0 test vectors".
    #[test]
    fn pkcs12_keys_are_those_that_others_make() {
        let smeg = bmp_string("smeg");
        assert_eq!(*smeg, b"\0s\0m\0e\0g\0\0");
        let salt = [0x0a, 0x58, 0xcf, 0x64, 0x53, 0x0d, 0x82, 0x3f];
        let key = HashFunction::Sha1.pkcs12(Pkcs12Purpose::Key, &smeg, &salt, 1, 24);
        assert_eq!(hexadecimal(&key), "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3");
        let vector = HashFunction::Sha1.pkcs12(Pkcs12Purpose::InitializationVector, &smeg, &salt, 1, 8);
        assert_eq!(hexadecimal(&vector), "79993dfe048d3b76");
        let salt = [0x3d, 0x83, 0xc0, 0xe4, 0x54, 0x6a, 0xc1, 0x40];
        let mac = HashFunction::Sha1.pkcs12(Pkcs12Purpose::Mac, &smeg, &salt, 1, 20);
        assert_eq!(hexadecimal(&mac), "8d967d88f6caa9d714800ab3d48051d63f73a312");
        let queeg = bmp_string("queeg");
        let salt = [0x05, 0xde, 0xc9, 0x59, 0xac, 0xff, 0x72, 0xf7];
        let key = HashFunction::Sha1.pkcs12(Pkcs12Purpose::Key, &queeg, &salt, 1000, 24);
        assert_eq!(hexadecimal(&key), "ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4");
    }
}
