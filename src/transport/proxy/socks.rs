//! SOCKS 5 (RFC 1928), with user and password (RFC 1929). The proxy looks names up.

use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

use super::{ProxyCredentials, ProxyError};

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_ACCEPTED: u8 = 0xff;

pub(super) async fn connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    host: &str,
    port: u16,
    credentials: Option<&ProxyCredentials>,
) -> Result<(), ProxyError> {
    match credentials {
        None => stream.write_all(&[VERSION, 1, NO_LOGIN]).await?,
        Some(_) => stream.write_all(&[VERSION, 2, NO_LOGIN, PASSWORD]).await?,
    }
    let [version, method] = read(stream).await?;
    check_version(version)?;
    match (method, credentials) {
        (NO_LOGIN, _) => {}
        (PASSWORD, Some(credentials)) => log_in(stream, credentials).await?,
        (NONE_ACCEPTED, None) => {
            return Err(ProxyError::Login("connections without user and password"));
        }
        (NONE_ACCEPTED, Some(_)) => return Err(ProxyError::Login("a login by password")),
        _ => {
            let why = "it requires an unknown authentication method".to_owned();
            return Err(ProxyError::NoProxy(why));
        }
    }
    stream.write_all(&request(host, port)?).await?;
    let [version, outcome, _reserved, kind] = read(stream).await?;
    check_version(version)?;
    if outcome != 0 {
        return Err(refusal(outcome));
    }
    // The address it connects from, which nobody needs.
    let size = match kind {
        1 => 4,
        3 => read::<1>(stream).await?[0].into(),
        4 => 16,
        _ => return Err(ProxyError::NoProxy("its answer has no address".to_owned())),
    };
    let mut address = [0; 255 + 2];
    stream.read_exact(&mut address[..size + 2]).await?;
    Ok(())
}

async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    credentials: &ProxyCredentials,
) -> Result<(), ProxyError> {
    let ProxyCredentials { user, password } = credentials;
    // Whoever parsed them has seen to it that neither is longer than a byte can tell.
    let mut request = Zeroizing::new(Vec::with_capacity(3 + user.len() + password.len()));
    request.push(1);
    request.push(user.len() as u8);
    request.extend_from_slice(user.as_bytes());
    request.push(password.len() as u8);
    request.extend_from_slice(password.as_bytes());
    stream.write_all(&request).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        [_, _] => Err(ProxyError::Login("our user and password")),
    }
}

fn request(host: &str, port: u16) -> Result<Vec<u8>, ProxyError> {
    let mut request = vec![VERSION, 1, 0];
    match host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(1);
            request.extend_from_slice(&address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(4);
            request.extend_from_slice(&address.octets());
        }
        Err(_) => {
            let size = u8::try_from(host.len());
            let size =
                size.map_err(|_| ProxyError::Refused("the router's name is too long".to_owned()))?;
            request.extend_from_slice(&[3, size]);
            request.extend_from_slice(host.as_bytes());
        }
    }
    request.extend_from_slice(&port.to_be_bytes());
    Ok(request)
}

fn refusal(outcome: u8) -> ProxyError {
    let text = match outcome {
        2 => "it does not allow this host or port",
        3 => "it cannot reach that network",
        4 => "it cannot reach the host, or knows no such name",
        5 => "the connection was refused; is the router running?",
        6 => "the router does not answer it",
        7 | 8 => "it does not support this kind of connection",
        _ => "it has failed, and does not say why",
    };
    ProxyError::Refused(text.to_owned())
}

fn check_version(version: u8) -> Result<(), ProxyError> {
    match version {
        VERSION => Ok(()),
        _ => Err(ProxyError::NoProxy("its answer is not SOCKS 5".to_owned())),
    }
}

async fn read<const N: usize>(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<[u8; N], ProxyError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
