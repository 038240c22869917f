// Package reach answers one question: does the server answer?
//
// It names the states that a probe can find, and it watches for reasons to
// probe again: a link, address or route of the machine changed, or the machine
// woke from suspend. None of them proves anything, the truth is a request to
// our server; and a line lost behind a living router is not seen here at all.
//
// It promises to report a burst of events once, to lose none that comes later,
// and never to wait for a slow listener: what is not taken yet is one event,
// however much happened. It does not decide when to sync.
package reach
