// Package tui is the technician's screen.
//
// It promises that a person never has to doubt two things: whether work is
// safe, and whether it was sent. What is shown comes from the local file alone;
// "Saved" appears only after the file's transaction was committed, and "all
// sent" only when the queue table is empty.
//
// [App] is the only tea.Model. Screens are plain structs that answer messages
// ([screen]); nothing in Update reads or writes: commands.go holds all of it and
// answers with the messages in messages.go. Keys stand in keys.go with their
// help, styles and glyphs in styles.go.
//
// Keys are never lost and never overtake the work they follow: several keys in
// one packet are taken one by one, and while a screen's data or a save is on its
// way, further keys wait for it ([App.gated]), so that "enter, c, p" typed ahead
// over a slow line does what it says.
//
// Limits: the list holds a window of the tasks, never the table; a frame is
// exactly as high as the terminal and never wider, below 40×12 it is one line
// that says so; text from outside passes through [App.text] before it is shown.
package tui
