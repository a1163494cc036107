"""QuickFIX as a counterparty that a test speaks through: its session and its data dictionary, and no application of its own.

quickfix_peer.py acceptor|initiator plain|tls SETTINGS [KEY]

Lines in:   send TYPE tag=value|tag=value   an application message
            skip N                          the next N sequence numbers are never used
            logout
Lines out:  ready, logon, logout            the session
            app tag=value|..                an application message that has passed the dictionary
            refused tag=value|..            a Reject or BusinessMessageReject that QuickFIX sends: it judged something of ours invalid
            rejected tag=value|..           a Reject or Logout with text that it was sent
With KEY (base64) an initiator signs its logons, with `user:password` in place of it shows those, with `KEY:user:password` does both.
"""

import base64
import hashlib
import hmac
import sys
import threading

import quickfix as fix

SOH = "\x01"
lock = threading.Lock()


def say(word, message=None):
    with lock:
        text = message.toString().replace(SOH, "|") if message is not None else ""
        print((word + " " + text).strip(), flush=True)


def kind(message):
    return message.getHeader().getField(35)


class Application(fix.Application):
    session = None

    def onCreate(self, session):
        self.session = session

    def onLogon(self, session):
        say("logon")

    def onLogout(self, session):
        say("logout")

    def toAdmin(self, message, session):
        if kind(message) == "3":
            say("refused", message)
        if kind(message) == "A" and len(sys.argv) > 4:
            parts = sys.argv[4].split(":")
            user, password = parts[-2:] if len(parts) > 1 else ("", "")
            if user:
                message.setField(fix.StringField(553, user))
                message.setField(fix.StringField(554, password))
            if len(parts) == 2:
                return
            header = message.getHeader()
            signed = SOH.join([header.getField(n) for n in (52, 35, 34, 49, 56)] + [password])
            key = base64.b64decode(parts[0])
            mac = base64.b64encode(hmac.new(key, signed.encode(), hashlib.sha256).digest()).decode()
            message.setField(fix.IntField(95, len(mac)))
            message.setField(fix.StringField(96, mac))

    def fromAdmin(self, message, session):
        if kind(message) == "3" or kind(message) == "5" and message.isSetField(58):
            say("rejected", message)

    def toApp(self, message, session):
        if kind(message) == "j":
            say("refused", message)

    def fromApp(self, message, session):
        say("app", message)


def main():
    role, transport, settings_file = sys.argv[1:4]
    application = Application()
    settings = fix.SessionSettings(settings_file)
    store = fix.FileStoreFactory(settings)
    log = fix.FileLogFactory(settings)
    ends = {
        ("acceptor", "plain"): fix.SocketAcceptor,
        ("acceptor", "tls"): fix.SSLSocketAcceptor,
        ("initiator", "plain"): fix.SocketInitiator,
        ("initiator", "tls"): fix.SSLSocketInitiator,
    }
    end = ends[role, transport](application, store, settings, log)
    end.start()
    say("ready")
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        session = fix.Session.lookupSession(application.session)
        if word == "send":
            name, _, fields = rest.partition(" ")
            message = fix.Message()
            message.getHeader().setField(fix.MsgType(name))
            for field in filter(None, fields.split("|")):
                tag, _, value = field.partition("=")
                message.setField(fix.StringField(int(tag), value))
            fix.Session.sendToTarget(message, application.session)
        elif word == "skip":
            session.setNextSenderMsgSeqNum(session.getExpectedSenderNum() + int(rest))
        elif word == "logout":
            session.logout()
    end.stop(True)


main()
