// Package notify says an alert in each receiver's own words: it renders a delivery for generic webhooks (native JSON or
// Alertmanager's), Alertmanager itself, DingTalk, Feishu and Lark, WeCom and Slack, and judges what they answer.
//
// Everything here is a pure function of its arguments: no clock, no network, no state.
//
// What an alert holds may come from anybody who can send a message: reasons and topics are label values. JSON for
// machines carries them as they are. Chats get them on one line each, without control characters, shortened, and with
// what the chat would read as a link, a mention or markup taken out of action. No message body, key or property is ever
// part of an alert.
package notify
