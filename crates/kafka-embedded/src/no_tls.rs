//! What stands in the place of TLS in a build without the feature `tls`: no connection ever has it.

use std::time::Duration;

use super::tls_state::TlsState;

#[derive(Debug)]
pub(super) enum NoTls {}

impl NoTls {
    pub(super) fn accept(&self, _broker: i32) -> Self {
        match *self {}
    }

    pub(super) fn delay(&self) -> Duration {
        match *self {}
    }

    pub(super) fn receive(&mut self, _bytes: &[u8], _plain: &mut Vec<u8>, _out: &mut Vec<u8>) -> TlsState {
        match *self {}
    }

    pub(super) fn send(&mut self, _plain: &[u8], _out: &mut Vec<u8>) -> TlsState {
        match *self {}
    }

    pub(super) fn close(&mut self, _out: &mut Vec<u8>) {
        match *self {}
    }
}
