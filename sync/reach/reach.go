// Package reach answers one question: does the server answer?
//
// It watches the machine's links (a link proves nothing, its change is only a
// reason to look again) and names the states that a probe can find. It promises
// to report a burst of link events once, and never to block its caller; it does
// not decide when to sync.
package reach
