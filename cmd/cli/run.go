package cli

import (
	"context"

	"github.com/spf13/cobra"
)

// Run carries a command line out.
func (a *App) Run(ctx context.Context, root *cobra.Command, args []string) error {
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	a.completions(root)
	return root.ExecuteContext(ctx)
}

// completions adds the commands that write completions, which come with the
// library, and the examples that they lack.
func (a *App) completions(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Example = "  " + a.Name + " completion bash"
		for _, shell := range cmd.Commands() {
			shell.Example = "  " + a.Name + " completion " + shell.Name() + map[string]string{
				"bash":       " > ~/.local/share/bash-completion/completions/" + a.Name,
				"zsh":        " > \"${fpath[1]}/_" + a.Name + "\"",
				"fish":       " > ~/.config/fish/completions/" + a.Name + ".fish",
				"powershell": " >> $PROFILE",
			}[shell.Name()]
		}
	}
}
