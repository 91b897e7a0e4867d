// Package notice writes what Tourniquet tells the outside of an incident: the message
// to people and chat, which goes out through SNS, and the event for other systems,
// which goes out through EventBridge. It is pure: a message or event is data that can
// be stored until it is delivered, and packages topic and bus deliver it.
package notice
