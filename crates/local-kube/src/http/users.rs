//! Who each token stands for. Tokens are looked up by their digests, so that neither memory nor the
//! time of a look-up tells anything of them.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use http::{Request, header};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::UserInfo;

#[derive(Debug, Default)]
pub(crate) struct Users(Mutex<HashMap<[u8; 32], Known>>);

#[derive(Debug)]
struct Known {
    user: UserInfo,
    /// When the token ends, if it does.
    until: Option<Timestamp>,
}

impl Users {
    pub(crate) fn add(&self, token: &str, user: UserInfo, until: Option<Timestamp>) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|_, known| !known.is_over());
        users.insert(Sha256::digest(token).into(), Known { user, until });
    }

    /// Takes the tokens from whom nobody is any more.
    pub(crate) fn forget(&self, uid: &str) {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|_, known| uid.is_empty() || known.user.uid != uid);
    }

    pub(crate) fn of_token(&self, token: &str) -> Option<UserInfo> {
        let digest: [u8; 32] = Sha256::digest(token.trim()).into();
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.get(&digest).filter(|known| !known.is_over()).map(|known| known.user.clone())
    }

    pub(super) fn of<B>(&self, request: &Request<B>) -> Option<UserInfo> {
        let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        self.of_token(token)
    }
}

impl Known {
    fn is_over(&self) -> bool {
        self.until.is_some_and(|until| until < Timestamp::now())
    }
}
