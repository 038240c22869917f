package main

import (
	"context"

	"github.com/spf13/cobra"

	"example.com/punchlist/cmd/cli"
	"example.com/punchlist/sync/server"
)

func (a *app) caCmd() *cobra.Command {
	return &cobra.Command{Use: "ca", Short: "Print the certificate of the server's own authority (PEM), for other programs",
		Long: `Print the certificate of the authority behind serve --tls-auto. Laptops need no
copy: they know it by their invites. Other programs do: curl --cacert FILE.`,
		Example: "  punchlistd ca", Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd, func(_ context.Context, srv *server.Server, _ server.Store) error {
				pem, err := srv.AuthorityPEM()
				if err != nil {
					return err
				}
				_, err = a.Out.Write(pem)
				return err
			})
		}}
}
