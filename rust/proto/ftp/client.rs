// SPDX-License-Identifier: GPL-2.0

//! Reads a line of the client.

use super::{
    super::{
        stream::Cursor,
        Direction,
        Reject, //
    },
    arguments,
    command::{
        self,
        Command, //
    },
    parse,
    Announcement,
    Session, //
};

impl Session {
    /// Looks at the line of the client at the cursor.
    pub(super) fn client_line(
        &self,
        bytes: &[u8],
        cursor: &mut Cursor,
    ) -> Result<Announcement, Reject> {
        let line = bytes.get(cursor.offset..).unwrap_or_default();
        let is_new = cursor.is_at_new_line();
        // Nothing is noted before the line is known.
        let (found, command) = match parse::kind(Direction::Original, line) {
            Ok(kind) => (arguments(kind, bytes, cursor)?, Command::Other),
            Err(Reject::Incomplete) => return Err(Reject::Incomplete),
            Err(_) => (None, command::command(line)?),
        };
        if is_new {
            if self.dialogue.is_proof_wanted() {
                if !command::is_of_client(line, self.dialogue.is_first())? {
                    self.dialogue.deny();
                    return Err(Reject::NotOurs);
                }
                self.dialogue.prove();
            }
            let number = self.original.count_line();
            self.ask(command, number);
        }
        let found = found.ok_or(Reject::NotOurs)?;
        cursor.enter_line(found.span.end());
        Ok(Announcement {
            // Clients that send several lines at once end them as RFC 959 says. One that ends in a newline
            // alone before another command is how somebody else's text gets into a client's line.
            may_count: is_new && !cursor.is_behind_bare_newline,
            ..found
        })
    }
}
