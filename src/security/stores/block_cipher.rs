//! `BlockCipher`: the ciphers that stores are encrypted with, in chains of blocks.
//!
//! Owns: their sizes, and decrypting. Must not know: where keys come from.
//! Holds: what was decrypted is overwritten when it is dropped.

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use zeroize::Zeroizing;

/// The ciphers, each with the size of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockCipher {
    Des,
    /// Three keys of DES.
    TripleDes,
    /// The same of two keys, the first of which is also the third.
    TripleDesOfTwo,
    Rc2Of40,
    Rc2Of64,
    Rc2Of128,
    Aes128,
    Aes192,
    Aes256,
}

/// Why nothing was decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CipherFault {
    /// No key would do.
    Damaged,
    /// Another key might.
    Key,
}

impl BlockCipher {
    pub(super) fn key_bytes(self) -> usize {
        match self {
            BlockCipher::Rc2Of40 => 5,
            BlockCipher::Des | BlockCipher::Rc2Of64 => 8,
            BlockCipher::TripleDesOfTwo | BlockCipher::Rc2Of128 | BlockCipher::Aes128 => 16,
            BlockCipher::TripleDes | BlockCipher::Aes192 => 24,
            BlockCipher::Aes256 => 32,
        }
    }

    pub(super) fn block_bytes(self) -> usize {
        match self {
            BlockCipher::Aes128 | BlockCipher::Aes192 | BlockCipher::Aes256 => 16,
            _ => 8,
        }
    }

    /// Decrypts, and takes the padding off.
    pub(super) fn decrypt(
        self,
        key: &[u8],
        vector: &[u8],
        bytes: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CipherFault> {
        match self {
            BlockCipher::Des => decrypt::<des::Des>(key, vector, bytes),
            BlockCipher::TripleDes => decrypt::<des::TdesEde3>(key, vector, bytes),
            BlockCipher::TripleDesOfTwo => decrypt::<des::TdesEde2>(key, vector, bytes),
            // The size of the key says how much of it counts.
            BlockCipher::Rc2Of40 | BlockCipher::Rc2Of64 | BlockCipher::Rc2Of128 => {
                decrypt::<rc2::Rc2>(key, vector, bytes)
            }
            BlockCipher::Aes128 => decrypt::<aes::Aes128>(key, vector, bytes),
            BlockCipher::Aes192 => decrypt::<aes::Aes192>(key, vector, bytes),
            BlockCipher::Aes256 => decrypt::<aes::Aes256>(key, vector, bytes),
        }
    }
}

fn decrypt<C: BlockCipherDecrypt + KeyInit>(
    key: &[u8],
    vector: &[u8],
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, CipherFault> {
    let mode = cbc::Decryptor::<C>::new_from_slices(key, vector).map_err(|_| CipherFault::Damaged)?;
    let blocks = C::block_size();
    if bytes.is_empty() || !bytes.len().is_multiple_of(blocks) {
        return Err(CipherFault::Damaged);
    }
    let mut clear = Zeroizing::new(bytes.to_vec());
    let length = mode.decrypt_padded::<Pkcs7>(&mut clear).map_err(|_| CipherFault::Key)?.len();
    clear.truncate(length);
    Ok(clear)
}
