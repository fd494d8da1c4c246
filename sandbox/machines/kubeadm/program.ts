/** What machines with kubeadm are played by, as ../linux/play says. */
import { playOf, runPlayed } from "../linux/play";
import { kubeadm } from "./kubeadm";
import { kubectl } from "./kubectl";
import { systemctl } from "./kubelet";
import { ctr, curl, modprobe, openssl, ping, sh, sysctl, systemdAnalyze } from "./linux";

export const play = playOf({
    systemctl,
    kubeadm,
    kubectl: (machine, args, stdin) => kubectl(machine, args.slice(1), stdin),
    curl,
    modprobe,
    sysctl,
    "systemd-analyze": (_machine, args) => systemdAnalyze(args),
    ping,
    sh,
    openssl: (_machine, args) => openssl(args),
    ctr,
});

if (require.main === module) runPlayed(play);
