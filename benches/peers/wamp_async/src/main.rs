//! A client on wamp_async, called as benches/c/meter.h tells. It reads every payload that it gets.

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use wamp_async::{Client, ClientConfig, SerializerType, WampArgs, WampKwArgs};

type Anything = Result<(), Box<dyn Error>>;

/// Arguments of the program.
#[derive(Clone)]
struct Arguments {
    role: String,
    url: String,
    serializer: String,
    size: usize,
    seconds: f64,
    in_flight: usize,
    scale: usize,
}

impl Arguments {
    fn read() -> Option<Arguments> {
        let mut words = std::env::args().skip(1);
        Some(Arguments {
            role: words.next()?,
            url: words.next()?,
            serializer: words.next()?,
            size: words.next()?.parse().ok()?,
            seconds: words.next()?.parse().ok()?,
            in_flight: words.next()?.parse().ok()?,
            scale: words.next()?.parse().ok()?,
        })
    }
}

fn main() -> Anything {
    let arguments = Arguments::read().ok_or("wrong arguments; see benches/c/meter.h")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(arguments))?;
    std::process::exit(0);
}

async fn run(arguments: Arguments) -> Anything {
    match arguments.role.as_str() {
        "connect" => return connect(&arguments).await,
        "memory" => return memory(&arguments).await,
        _ => {}
    }
    let client = Arc::new(open(&arguments).await?);
    match arguments.role.as_str() {
        "call" if arguments.in_flight == 1 => call_in_sequence(&client, &arguments).await,
        "call" => call(&client, &arguments).await,
        "invocation" => answer(&client, &arguments).await,
        "publish" => publish(&client, &arguments).await,
        // Otherwise the events that it has read pile up before the task that takes them.
        "event" => tokio::task::unconstrained(receive(&client, &arguments)).await,
        role => Err(format!("no role {role}").into()),
    }
}

async fn open(arguments: &Arguments) -> Result<Client<'static>, Box<dyn Error>> {
    let serializer = match arguments.serializer.as_str() {
        "json" => SerializerType::Json,
        "msgpack" => SerializerType::MsgPack,
        other => return Err(format!("wamp_async has no {other}").into()),
    };
    let url = arguments.url.replace("rs://", "tcp://");
    let config = ClientConfig::default().set_serializers(vec![serializer]);
    let (mut client, (events, queue)) = Client::connect(url, Some(config)).await?;
    tokio::spawn(events);
    tokio::spawn(async move {
        let Some(mut queue) = queue else { return };
        while let Some(task) = queue.recv().await {
            tokio::spawn(task);
        }
    });
    client.join_realm("realm1").await?;
    Ok(client)
}

fn payload(arguments: &Arguments) -> Option<WampArgs> {
    Some(vec!["x".repeat(arguments.size).into()])
}

/// Looks at a payload as a program does.
fn look(args: &Option<WampArgs>, size: usize) {
    let text = args.as_ref().and_then(|args| args.first()?.as_str());
    assert_eq!(text.map(str::len), Some(size), "a payload of another size");
}

// ---- measuring ----

fn usage() -> f64 {
    // SAFETY: getrusage() fills the struct, for which zeros are valid.
    let used = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut used);
        used
    };
    let micros = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
    micros(used.ru_utime) + micros(used.ru_stime)
}

struct Meter {
    seconds: f64,
    began: Instant,
    start: Option<(Instant, f64, usize)>,
    times: Vec<f64>,
}

impl Meter {
    fn new(arguments: &Arguments) -> Meter {
        Meter { seconds: arguments.seconds, began: Instant::now(), start: None, times: Vec::new() }
    }

    fn is_warm(&self) -> bool {
        self.began.elapsed().as_secs_f64() > self.seconds * 0.25
    }

    fn begin(&mut self, count: usize) {
        self.start = Some((Instant::now(), usage(), count));
    }

    fn is_due(&self) -> bool {
        self.start.is_some_and(|(start, ..)| start.elapsed().as_secs_f64() > self.seconds)
    }

    /// Whether all is measured, which is told then.
    fn tick(&mut self, count: usize) -> bool {
        if self.start.is_none() && self.is_warm() {
            self.begin(count);
        } else if self.is_due() {
            self.report(count);
            return true;
        }
        false
    }

    fn time(&mut self, start: Instant) {
        if self.start.is_some() {
            self.times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }

    fn report(&mut self, count: usize) {
        let Some((start, cpu, first)) = self.start else { return };
        let messages = (count - first).max(1) as f64;
        let (cpu, wall) =
            ((usage() - cpu) / messages, start.elapsed().as_secs_f64() * 1e6 / messages);
        self.tell(messages, cpu, wall);
    }

    fn tell(&mut self, messages: f64, cpu: f64, wall: f64) {
        self.times.sort_by(f64::total_cmp);
        let quantile = |part: f64| self.times[((self.times.len() - 1) as f64 * part) as usize];
        let mut line =
            format!("{{\"messages\": {messages}, \"cpu\": {cpu:.4}, \"wall\": {wall:.4}");
        if !self.times.is_empty() {
            line += &format!(", \"p50\": {:.2}, \"p99\": {:.2}", quantile(0.5), quantile(0.99));
        }
        println!("{line}}}");
    }
}

// ---- roles ----

fn procedure(number: usize) -> String {
    format!("bench.echo.{number}")
}

fn topic(number: usize) -> String {
    format!("bench.topic.{number}")
}

async fn call_in_sequence(client: &Client<'static>, arguments: &Arguments) -> Anything {
    let mut meter = Meter::new(arguments);
    for count in 1.. {
        let start = Instant::now();
        let (args, _) = client.call(procedure(0), payload(arguments), None).await?;
        look(&args, arguments.size);
        meter.time(start);
        if meter.tick(count) {
            break;
        }
    }
    Ok(())
}

async fn call(client: &Arc<Client<'static>>, arguments: &Arguments) -> Anything {
    let meter = Arc::new(Mutex::new(Meter::new(arguments)));
    let done = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::new();
    for _ in 0..arguments.in_flight {
        let (client, meter, done) = (client.clone(), meter.clone(), done.clone());
        let (over, arguments, uri) = (over.clone(), arguments.clone(), procedure(0));
        workers.push(tokio::spawn(async move {
            while !over.load(Relaxed) {
                let result = client.call(&uri, payload(&arguments), None).await;
                let (args, _) = result.map_err(|error| error.to_string())?;
                look(&args, arguments.size);
                let count = done.fetch_add(1, Relaxed) + 1;
                if count % 16 == 0 && !over.load(Relaxed) {
                    let is_over = meter.lock().expect("a meter").tick(count);
                    over.store(is_over, Relaxed);
                }
            }
            Ok::<(), String>(())
        }));
    }
    for worker in workers {
        worker.await??;
    }
    Ok(())
}

/// Counts what comes by one function for all procedures or topics.
async fn answer(client: &Client<'static>, arguments: &Arguments) -> Anything {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    static METER: Mutex<Option<Meter>> = Mutex::new(None);
    let (size, like) = (arguments.size, arguments.clone());
    let echo = move |args: Option<WampArgs>, kwargs: Option<WampKwArgs>| {
        look(&args, size);
        let count = DONE.fetch_add(1, Relaxed) + 1;
        if count % 16 == 0 {
            let mut meter = METER.lock().expect("a meter");
            if meter.get_or_insert_with(|| Meter::new(&like)).tick(count) {
                std::process::exit(0);
            }
        }
        async move { Ok((args, kwargs)) }
    };
    for number in 0..arguments.scale {
        client.register(procedure(number), echo.clone()).await?;
    }
    println!("ready");
    std::future::pending().await
}

async fn receive(client: &Client<'static>, arguments: &Arguments) -> Anything {
    let (_, mut events) = client.subscribe(topic(0)).await?;
    println!("ready");
    let mut meter = None;
    for count in 1.. {
        let (_, args, _) = events.recv().await.ok_or("the events have ended")?;
        look(&args, arguments.size);
        let meter = meter.get_or_insert_with(|| Meter::new(arguments));
        if count % 16 == 0 && meter.tick(count) {
            break;
        }
    }
    Ok(())
}

async fn publish(client: &Client<'static>, arguments: &Arguments) -> Anything {
    let mut meter = Meter::new(arguments);
    for count in 1.. {
        client.publish(topic(0), payload(arguments), None, false).await?;
        if count % 64 != 0 {
            continue;
        }
        tokio::task::yield_now().await;
        if meter.start.is_none() && meter.is_warm() {
            client.publish(topic(0), payload(arguments), None, true).await?;
            meter.begin(count);
        } else if meter.is_due() {
            client.publish(topic(0), payload(arguments), None, true).await?;
            meter.report(count);
            break;
        }
    }
    Ok(())
}

/// Measures only what opens, and not what closes.
async fn connect(arguments: &Arguments) -> Anything {
    let mut meter = Meter::new(arguments);
    let (mut spent, mut count) = (0.0, 0.0);
    while !meter.is_due() {
        let (start, cpu) = (Instant::now(), usage());
        let mut client = open(arguments).await?;
        if meter.start.is_some() {
            spent += usage() - cpu;
            count += 1.0;
            meter.time(start);
        } else if meter.is_warm() {
            meter.begin(0);
        }
        client.leave_realm().await?;
        client.disconnect().await;
    }
    let wall = meter.start.map_or(0.0, |(start, ..)| start.elapsed().as_secs_f64() * 1e6);
    meter.tell(count, spent / count, wall / count);
    Ok(())
}

fn resident() -> Result<f64, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: f64 = statm.split(' ').nth(1).ok_or("no pages")?.parse()?;
    Ok(pages * 4.0)
}

async fn memory(arguments: &Arguments) -> Anything {
    let mut clients = vec![open(arguments).await?];
    let one = resident()?;
    while clients.len() < arguments.scale {
        clients.push(open(arguments).await?);
    }
    let (all, count) = (resident()?, arguments.scale);
    let mut line = format!("{{\"messages\": {count}, \"resident\": {all:.0}");
    if count > 1 {
        line += &format!(", \"each\": {:.3}", (all - one) / (count - 1) as f64);
    }
    println!("{line}}}");
    Ok(())
}
