package reach

// State is what is known of the way to the server. Its text is what commands
// print and what `state --json` carries.
type State string

// The states. Only a signed ping, or a true answer to a sync request, makes Online.
const (
	NotEnrolled  State = "not enrolled" // this laptop has joined no server
	Paused       State = "paused"       // the person chose to work offline
	Offline      State = "offline"      // no link, no route, no answer
	Portal       State = "portal"       // somebody else answered
	Unauthorised State = "unauthorised" // the server does not take this device's token
	ServerDown   State = "server down"  // the server answers that it cannot serve
	Outdated     State = "outdated"     // the server no longer speaks with this version
	Online       State = "online"
)
