// Command bare imports Bubble Tea without the guard: what the guard is for.
package main

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"
)

func main() {
	_ = tea.Quit
	fmt.Println("ready")
}
