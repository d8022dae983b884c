//! Passwords: guessing them is slow, and tells nothing (ATTACKS 65).

use std::time::Duration;

use apim_keymgr::Limits;

use crate::world::{Answer, App, World, config, form, from_address, post, row};

async fn world(limits: Limits) -> (World, App) {
    let mut config = config();
    config.attempts = limits;
    let world = World::with(config).await;
    world.user("ann", "secret", &[]).await;
    world.user("bob", "secret", &[]).await;
    let app = world.app("shop", &["password"]).await;
    (world, app)
}

async fn try_from(world: &World, app: &App, address: &str, user: &str, password: &str) -> Answer {
    let body = form(&[("grant_type", "password"), ("username", user), ("password", password)]);
    world.send(from_address(post("/oauth2/token", Some(&app.basic()), &body), address)).await
}

#[tokio::test]
async fn unknown_locked_and_mistaken_look_the_same() {
    let (world, app) = world(Limits::default()).await;
    world.server.users().set_locked(&"bob".into(), true).await.unwrap();
    let answers =
        [("ann", "wrong"), ("nobody", "secret"), ("bob", "secret"), ("ann", "Secret"), ("ANN", "secret")];
    let mut bodies = Vec::new();
    for (user, password) in answers {
        let answer = try_from(&world, &app, "192.0.2.1:1", user, password).await;
        assert_eq!(answer.error(), row(400, "invalid_grant"));
        bodies.push(answer.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn an_unknown_user_costs_a_hashing_too() {
    let mut config = config();
    config.password_cost = apim_keymgr::password::Cost { memory: 32 * 1024, passes: 2, lanes: 1 };
    let world = World::with(config).await;
    world.user("ann", "secret", &[]).await;
    let app = world.app("shop", &["password"]).await;
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..3 {
        for (best, user) in fastest.iter_mut().zip(["ann", "nobody"]) {
            let begun = std::time::Instant::now();
            try_from(&world, &app, "192.0.2.1:1", user, "wrong").await;
            *best = (*best).min(begun.elapsed());
        }
    }
    // Generous, for a busy machine; without the hashing it would be a hundredth.
    assert!(fastest[1] * 3 > fastest[0], "{fastest:?}");
}

#[tokio::test]
async fn after_ten_wrong_passwords_one_waits_even_with_the_right_one() {
    let (world, app) = world(Limits::default()).await;
    for _ in 0..10 {
        try_from(&world, &app, "192.0.2.1:1", "ann", "wrong").await;
    }
    let stopped = try_from(&world, &app, "192.0.2.1:2", "ann", "secret").await;
    assert_eq!(stopped.error(), row(429, "temporarily_unavailable"));
    assert_eq!(stopped.header("retry-after"), "300");
    // Neither the user elsewhere nor others here are locked out.
    try_from(&world, &app, "192.0.2.2:1", "ann", "secret").await.ok();
    try_from(&world, &app, "192.0.2.1:1", "bob", "secret").await.ok();
    world.later(300);
    try_from(&world, &app, "192.0.2.1:1", "ann", "secret").await.ok();
}

#[tokio::test]
async fn a_success_forgives_the_user_but_not_the_address() {
    let limits = Limits { per_user: 3, per_address: 6, ..Limits::default() };
    let (world, app) = world(limits).await;
    for round in 0..3 {
        for _ in 0..2 {
            let answer = try_from(&world, &app, "192.0.2.1:1", "ann", "wrong").await;
            assert_eq!(answer.error(), row(400, "invalid_grant"), "round {round}");
        }
        if round < 2 {
            try_from(&world, &app, "192.0.2.1:1", "ann", "secret").await.ok();
        }
    }
    let stopped = try_from(&world, &app, "192.0.2.1:1", "bob", "secret").await;
    assert_eq!(stopped.status, 429, "six wrong ones came from here");
}

#[tokio::test]
async fn another_address_of_the_same_ipv6_network_is_the_same_guesser() {
    let (world, app) = world(Limits { per_user: 2, ..Limits::default() }).await;
    try_from(&world, &app, "[2001:db8::1]:1", "ann", "wrong").await;
    try_from(&world, &app, "[2001:db8::ffff:2]:1", "ann", "wrong").await;
    assert_eq!(try_from(&world, &app, "[2001:db8::3]:1", "ann", "secret").await.status, 429);
    try_from(&world, &app, "[2001:db8:0:1::3]:1", "ann", "secret").await.ok();
}

#[tokio::test]
async fn a_flood_of_names_neither_grows_without_bound_nor_washes_a_count_away() {
    let limits =
        Limits { per_user: 4, per_address: 1_000_000, remembered: 64, window: Duration::from_secs(300) };
    let (world, app) = world(limits).await;
    for _ in 0..4 {
        try_from(&world, &app, "192.0.2.1:1", "ann", "wrong").await;
    }
    for n in 0..200 {
        try_from(&world, &app, "192.0.2.1:1", &format!("user{n}"), "wrong").await;
    }
    assert_eq!(try_from(&world, &app, "192.0.2.1:1", "ann", "secret").await.status, 429);
}

#[tokio::test]
async fn a_queue_of_passwords_is_bounded() {
    let (world, app) = world(Limits::default()).await;
    let mut tasks = Vec::new();
    for n in 0..200 {
        let (server, basic) = (world.server.clone(), app.basic());
        tasks.push(tokio::spawn(async move {
            let body = format!("grant_type=password&username=user{n}&password=wrong");
            let request = post("/oauth2/token", Some(&basic), &body);
            crate::world::send(&server, from_address(request, &format!("192.0.2.{n}:1"))).await
        }));
    }
    let mut busy = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        if answer.status == 503 {
            assert_eq!(answer.error(), row(503, "temporarily_unavailable"));
            busy += 1;
        } else {
            assert_eq!(answer.error(), row(400, "invalid_grant"));
        }
    }
    assert!(busy > 0, "two hundred waited");
    // The queue is empty again.
    try_from(&world, &app, "198.51.100.1:1", "ann", "secret").await.ok();
}

#[tokio::test]
async fn many_at_once_are_counted_too() {
    let (world, app) = world(Limits { per_user: 5, ..Limits::default() }).await;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (server, basic) = (world.server.clone(), app.basic());
        tasks.push(tokio::spawn(async move {
            let body = "grant_type=password&username=ann&password=wrong";
            crate::world::send(
                &server,
                from_address(post("/oauth2/token", Some(&basic), body), "192.0.2.1:1"),
            )
            .await
        }));
    }
    let mut tried = 0;
    for task in tasks {
        tried += usize::from(task.await.unwrap().status == 400);
    }
    assert_eq!(tried, 5);
}
