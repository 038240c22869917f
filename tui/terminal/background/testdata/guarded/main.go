// Command guarded imports Bubble Tea and the guard, says "ready" and ends.
package main

import (
	"fmt"

	_ "example.com/punchlist/tui/terminal/background"
	tea "github.com/charmbracelet/bubbletea"
)

func main() {
	_ = tea.Quit
	fmt.Println("ready")
}
