//! The time from which on an option holds that is changed while the router runs.

/// The options that hold from each of these times on.
pub(super) const RELOADS: &[(&str, &[&str])] = &[
    (
        "at once",
        &[
            "auth",
            "disclose",
            "event_history",
            "listeners",
            "log_format",
            "max_connections",
            "max_connections_per_address",
            "max_handshakes",
            "max_history_bytes",
            "max_options_size",
            "max_patterns",
            "max_pending_calls",
            "max_questions",
            "max_realms",
            "max_registrations",
            "max_retained_bytes",
            "max_retained_topics",
            "max_subscriptions",
            "max_testament_bytes",
            "memory_limit",
            "message_timeout",
            "question_timeout",
            "realms",
            "roles",
            "send_queue_bytes",
        ],
    ),
    (
        "new connections",
        &[
            "allowed_origins",
            "hello_timeout",
            "max_message_size",
            "max_unjoined_size",
            "permessage_deflate",
            "tls",
            "trusted_proxies",
        ],
    ),
    ("new sessions", &["strict_request_ids"]),
    ("fixed", &["dispatch"]),
];

/// The time from which on an option holds, for docs/ROUTER.md.
pub(super) fn reload(option: &str) -> &'static str {
    let found = RELOADS.iter().find(|(_, options)| options.contains(&option));
    found.map_or("", |(time, _)| *time)
}
