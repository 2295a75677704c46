//! Numbers and names that nobody may foresee: session ids, publication ids, anonymous authids.

use std::collections::HashSet;

use super::client::{Client, realms};
use crate::codec::MAX_ID;
use crate::router::Router;
use crate::router::config::Config;
use crate::router::identity::{Features, Identity};
use crate::router::random::id;

/// Ids that differ, and have the same number in each sixteenth of 1 to 2^53, as far as chance goes.
#[track_caller]
fn are_uniform(ids: &[u64]) {
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    let mut parts = [0_usize; 16];
    for id in ids {
        assert!((1..=MAX_ID).contains(id), "{id}");
        parts[((id - 1) >> 49) as usize] += 1;
    }
    // Seven times the standard deviation.
    let mean = ids.len() as f64 / 16.0;
    let off = |count: usize| (count as f64 - mean).abs() > 7.0 * mean.sqrt();
    assert!(!parts.into_iter().any(off), "{parts:?}");
    // The lowest bits as well.
    let odd = ids.iter().filter(|id| *id % 2 == 1).count() as f64;
    assert!((odd - 8.0 * mean).abs() < 7.0 * (4.0 * mean).sqrt(), "{odd} of {}", ids.len());
}

#[test]
fn ids_are_uniform() {
    let ids: Vec<u64> = (0..20_000).map(|_| id().unwrap()).collect();
    are_uniform(&ids);
}

/// A generator with a seed would be the same again: after each seed, if that is how it is seeded.
#[track_caller]
fn have_no_seed(mut draw: impl FnMut() -> String) {
    let mut after = |seed| {
        fastrand::seed(seed);
        [draw(), draw()]
    };
    assert_ne!(after(7), after(7));
}

#[test]
fn session_ids_are_random() {
    // Each of another router: one router gives no id twice.
    let admit = || Router::with(Config::default()).shared.admit().unwrap().id();
    have_no_seed(|| admit().to_string());
    let ids: Vec<u64> = (0..2000).map(|_| admit()).collect();
    are_uniform(&ids);
}

#[test]
fn publication_ids_are_random() {
    let mut client = Client::able(&realms(), 1);
    let mut request = 0;
    let mut publish = || {
        request += 1;
        client.says(&format!(r#"[16,{request},{{"acknowledge":true}},"com.topic"]"#));
        client.hears_one()[2].as_u64().unwrap()
    };
    have_no_seed(|| publish().to_string());
    let ids: Vec<u64> = (0..2000).map(|_| publish()).collect();
    are_uniform(&ids);
}

#[test]
fn authids_of_strangers_are_random() {
    let authid = || Identity::anonymous(Features::default()).unwrap().authid;
    have_no_seed(authid);
    let authids: HashSet<String> = (0..2000).map(|_| authid()).collect();
    assert_eq!(authids.len(), 2000);
    assert!(authids.iter().all(|authid| authid.len() == 16), "{authids:?}");
}
