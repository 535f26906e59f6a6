// SPDX-License-Identifier: GPL-2.0

//! Reads a line of the server.

use super::{
    super::{
        scan,
        stream::Cursor,
        Reject,
        Span, //
    },
    arguments,
    reply::{
        self,
        Code,
        Greeting,
        Reply, //
    },
    Announcement,
    Kind,
    Session, //
};

impl Session {
    /// Looks at the line of the server at the cursor.
    pub(super) fn server_line(
        &self,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Result<Announcement, Reject> {
        let line = bytes.get(cursor.offset..).unwrap_or_default();
        if !cursor.is_at_new_line() {
            let found = match reply::reply(line)? {
                Reply::Last(code) | Reply::First(code) => passive(code, bytes, cursor)?,
                Reply::Text => None,
            };
            let found = found.ok_or(Reject::NotOurs)?;
            cursor.enter_line(found.span.end());
            return Ok(Announcement {
                may_count: false,
                ..found
            });
        }
        if cursor.is_behind_loss {
            self.dialogue.lose();
        }
        let within = self.dialogue.reply();
        let line = if within.is_none() && self.dialogue.is_greeting() {
            match reply::greeting(line)? {
                Greeting::Reply(line) => line,
                Greeting::Text => return Err(Reject::NotOurs),
                Greeting::Foreign => {
                    self.dialogue.deny();
                    return Err(Reject::NotOurs);
                }
            }
        } else {
            line
        };
        let (code, is_last) = match reply::reply(line)? {
            Reply::Last(code) if within.is_none_or(|first| first == code) => (code, true),
            Reply::First(code) if within.is_none() => (code, false),
            Reply::Last(_) if self.dialogue.has_lost() => {
                // That may have been the end of the reply, or this: whatever it is does not count.
                self.dialogue.close_reply();
                return Err(Reject::NotOurs);
            }
            Reply::Last(_) | Reply::First(_) | Reply::Text => return Err(Reject::NotOurs),
        };
        let mut found = passive(code, bytes, cursor)?;
        if !is_last {
            self.dialogue.open_reply(code, found.is_some());
        } else {
            if self.dialogue.close_reply() {
                found = None;
            }
            if self.dialogue.is_greeting() {
                let is_greeting = found.is_none() && !code.is_preliminary();
                if is_greeting && self.dialogue.greet(code) {
                    return self.deferred(bytes, cursor).ok_or(Reject::NotOurs);
                }
            } else if !code.is_preliminary() {
                let number = self.count_reply();
                self.dialogue.note_success(code);
                if found.is_none() {
                    self.dialogue.answer(code, number);
                    if number == self.original.count() {
                        // None is open, also if there were more than numbers can tell apart.
                        self.dialogue.forget_questions();
                    }
                }
            }
        }
        let found = found.ok_or(Reject::NotOurs)?;
        cursor.enter_line(found.span.end());
        Ok(found)
    }

    /// Skips what stands inside of a reply of several lines, RFC 959 section 4.2, up to the line that may be
    /// its last.
    pub(super) fn skip_text(&self, bytes: &[u8], cursor: &mut Cursor) {
        let Some(code) = self.dialogue.reply() else {
            return;
        };
        if cursor.is_behind_loss || self.dialogue.has_lost() || !cursor.is_at_new_line() {
            return;
        }
        let digits = code.digits();
        let mut rest = bytes.get(cursor.offset..).unwrap_or_default();
        while let Some([first @ .., behind]) = rest.first_chunk::<4>() {
            if *first == digits && matches!(behind, b' ' | b'\r' | b'\n') {
                break;
            }
            let Some(tail) = scan::skip_line(rest) else {
                break;
            };
            rest = tail;
        }
        cursor.offset = bytes.len().saturating_sub(rest.len());
    }

    /// What was announced before the greeting at the cursor.
    fn deferred(&self, bytes: &[u8], cursor: &mut Cursor) -> Option<Announcement> {
        let start = cursor.offset;
        let span = Span::new(bytes, start..start.checked_add(1)?)?;
        cursor.enter_line(span.end());
        Some(Announcement {
            kind: Kind::Deferred,
            address: None,
            port: self.told.port()?,
            span,
            may_count: true,
        })
    }
}

/// Parses the line of a reply with `code` at the cursor; [`None`] if it announces nothing.
///
/// # Errors
///
/// [`Reject::Incomplete`] if the bytes end too early.
fn passive(code: Code, bytes: &[u8], cursor: &mut Cursor) -> Result<Option<Announcement>, Reject> {
    let line = bytes.get(cursor.offset..).unwrap_or_default();
    match (code.number(), line.get(3)) {
        (227, Some(b' ' | b'-')) => arguments(Kind::Pasv, bytes, cursor),
        (229, Some(b' ' | b'-')) => arguments(Kind::Epsv, bytes, cursor),
        _ => Ok(None),
    }
}
