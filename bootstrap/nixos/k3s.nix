# NixOS module for the homelab node: import it from the machine's configuration (roles/k3s/default.nix in the seed's
# repository). It sets the flags that `pulumi up` verifies, the directories of the media stack, and, as a second way to
# the same secret, the unit that gives Argo CD the age key.
{ config, lib, pkgs, ... }:

let
  cfg = config.homelab.k3s;
  # Answers the one question of a preview and nothing else, whatever the key's holder asks for: its text is compared, never
  # its meaning.
  look = pkgs.writeShellScript "homelab-look" ''
    asked=$(cat)
    for known in ${lib.escapeShellArgs cfg.ci.looks}; do
      if [ "$asked" = "$(cat "$known")" ]; then exec sh "$known"; fi
    done
    echo "homelab-look: this key may only look at the machine, and this is not a look that the machine knows;" \
      "homelab.k3s.ci.looks has them (node tools/run.cjs tools/github/main.ts look <stack>)" >&2
    exit 1
  '';
in
{
  options.homelab.k3s = {
    ageKeyFile = lib.mkOption {
      # A string, not a path: Nix copies paths into the world-readable store.
      type = lib.types.strMatching "/.*";
      default = "/var/lib/sops-nix/keys.txt";
      description = "Age private key that Argo CD's ksops decrypts with.";
    };
    managedStorage = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "True when Pulumi runs local-path-provisioner (storage.provisioner: managed); false for the one of k3s.";
    };
    dataDirectory = lib.mkOption {
      type = lib.types.strMatching "/.*";
      default = "/var/data";
      description = "Mount point of the data disk; configs, media and torrents live below it.";
    };
    deliverAgeKey = lib.mkOption {
      type = lib.types.bool;
      default = true;
      description = "Whether this machine creates the secret argocd/sops-age-key itself. Pulumi does the same; both are idempotent.";
    };
    ci = {
      key = lib.mkOption {
        type = lib.types.nullOr (lib.types.strMatching "(ssh|ecdsa|sk-)[^ \n]* [^ \n]+( [^\n]*)?");
        default = null;
        description = "Public SSH key of the workflows, which may look at this machine and change nothing.";
      };
      looks = lib.mkOption {
        type = lib.types.listOf lib.types.path;
        default = [ ];
        description = "Files with what it may ask: `node tools/run.cjs tools/github/main.ts look homelab > homelab-look`. Two while a change of the look is on its way.";
      };
      user = lib.mkOption {
        type = lib.types.str;
        default = "root";
        description = "Whom it signs in as: node.ssh.user.";
      };
    };
  };

  config = {
    users.users = lib.mkIf (cfg.ci.key != null) {
      # No terminal, no forwarding, no command of its own.
      ${cfg.ci.user}.openssh.authorizedKeys.keys = [ ''restrict,command="${look}" ${cfg.ci.key}'' ];
    };

    services.k3s = {
      enable = true;
      role = "server";
      extraFlags = [
        # What Cilium replaces.
        "--flannel-backend=none"
        "--disable-network-policy"
        "--disable=servicelb"
        "--disable=traefik"
        "--disable-kube-proxy"
      ] ++ lib.optional cfg.managedStorage "--disable=local-storage";
    };

    # Transmission's VPN opens /dev/net/tun.
    boot.kernelModules = [ "tun" ];

    networking.firewall = {
      allowedTCPPorts = [
        80 # shared ingress
        6443 # API server
        32400 # Plex
      ];
      # Pods and the load balancer speak through Cilium's own interfaces.
      trustedInterfaces = [ "cilium_host" "cilium_net" "lxc+" ];
      # Replies may leave by another interface than they came in.
      checkReversePath = "loose";
    };

    # ":" sets mode and owner of new directories only.
    systemd.tmpfiles.rules = map (dir: "d ${cfg.dataDirectory}/${dir} :0775 :1000 :1000 -") [
      "configs"
      "media"
      "media/tv"
      "media/movies"
      "torrents"
      "torrents/complete"
      "torrents/incomplete"
    ];

    systemd.services.argocd-sops-secret = lib.mkIf cfg.deliverAgeKey {
      description = "Age key for Argo CD (secret sops-age-key)";
      wantedBy = [ "k3s.service" ];
      after = [ "k3s.service" ];
      path = [ pkgs.kubectl ];
      environment.KUBECONFIG = "/etc/rancher/k3s/k3s.yaml";
      # With secrets.ageKey.from: file the key is not on this machine.
      unitConfig.ConditionPathExists = cfg.ageKeyFile;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
      };
      # The secret's key is the file's base name, keys.txt. Server-side, so that no copy of the key is kept in a
      # last-applied annotation.
      script = ''
        until kubectl get ns argocd &>/dev/null; do sleep 5; done
        kubectl create secret generic sops-age-key -n argocd \
          --from-file=keys.txt=${cfg.ageKeyFile} \
          --dry-run=client -o yaml | kubectl apply -f - --server-side --force-conflicts
      '';
    };
  };
}
