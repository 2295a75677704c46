//! Those who were let in, judged by the users that there are now.

use std::sync::Arc;

use super::super::admission::{Admission, Withdrawal};
use super::principal::Method;
use super::store::Store;

/// True if somebody who was let in would be let in again as the same, by these users or without
/// any. Its secret may have changed: that counts at its next login.
pub(in crate::router) fn review(
    store: Option<&Arc<Store>>,
    admission: &Admission,
) -> Result<(), Withdrawal> {
    let is_in = match (store, admission) {
        (_, Admission::Unconditional) | (None, Admission::Program) => true,
        (None, Admission::Anonymous { role }) => return is_same(role, "anonymous"),
        (Some(store), Admission::Anonymous { role }) if store.has_strangers() => {
            return is_same(role, store.anonymous_role());
        }
        (Some(store), Admission::Known { authid, methods, role, mark }) => {
            if mark.as_ref().is_some_and(|mark| !store.knows_mark(authid, mark)) {
                return Err(Withdrawal::Removed);
            }
            let mut now = methods.iter().map(|name| store.role_of(Method::parse(name)?, authid));
            return match now.next().flatten() {
                Some(first) if now.all(|other| other.is_some()) => is_same(role, first),
                _ => Err(Withdrawal::Removed),
            };
        }
        (Some(store), Admission::Procedure(method)) => {
            let method = method.map(Method::parse);
            method != Some(None) && store.authenticator_of(method.flatten()).is_some()
        }
        _ => false,
    };
    if is_in { Ok(()) } else { Err(Withdrawal::Removed) }
}

fn is_same(former: &str, present: &str) -> Result<(), Withdrawal> {
    if former == present { Ok(()) } else { Err(Withdrawal::OtherRole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(json: &str) -> Arc<Store> {
        Arc::new(Store::parse(&serde_json::from_str(json).unwrap(), None).unwrap())
    }

    #[test]
    fn who_would_be_let_in_as_the_same_stays() {
        use Withdrawal::{OtherRole, Removed};
        let users = store(
            r#"{"anonymous": {"role": "guest"}, "ticket": {"joe": {"ticket": "a"},
                "ann": {"ticket": "b", "role": "admin"}}, "wampcra": {"joe": {"secret": "c"}}}"#,
        );
        let asked = store(
            r#"{"ticket": {"authenticator": "com.auth"}, "wampcra": {"joe": {"secret": "c"}}}"#,
        );
        let anonymous = |role: &str| Admission::Anonymous { role: role.to_owned() };
        let known = |authid: &str, role: &str, methods: &[&'static str]| {
            let (authid, role) = (authid.to_owned(), role.to_owned());
            Admission::Known { authid, methods: methods.to_vec(), role, mark: None }
        };
        for (admission, without, by_users, by_asked) in [
            (Admission::Unconditional, Ok(()), Ok(()), Ok(())),
            (Admission::Program, Ok(()), Err(Removed), Err(Removed)),
            (anonymous("anonymous"), Ok(()), Err(OtherRole), Err(Removed)),
            (anonymous("guest"), Err(OtherRole), Ok(()), Err(Removed)),
            (known("joe", "user", &["ticket"]), Err(Removed), Ok(()), Err(Removed)),
            (known("joe", "user", &["ticket", "wampcra"]), Err(Removed), Ok(()), Err(Removed)),
            (known("joe", "user", &["wampcra"]), Err(Removed), Ok(()), Ok(())),
            (known("joe", "boss", &["wampcra"]), Err(Removed), Err(OtherRole), Err(OtherRole)),
            (known("ann", "admin", &["ticket"]), Err(Removed), Ok(()), Err(Removed)),
            (known("ann", "admin", &["wampcra"]), Err(Removed), Err(Removed), Err(Removed)),
            (known("bob", "user", &["ticket"]), Err(Removed), Err(Removed), Err(Removed)),
            (Admission::Procedure(Some("ticket")), Err(Removed), Err(Removed), Ok(())),
            (Admission::Procedure(None), Err(Removed), Err(Removed), Err(Removed)),
        ] {
            assert_eq!(review(None, &admission), without, "{admission:?}");
            assert_eq!(review(Some(&users), &admission), by_users, "{admission:?}");
            assert_eq!(review(Some(&asked), &admission), by_asked, "{admission:?}");
        }
    }
}
