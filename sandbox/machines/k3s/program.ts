/** What machines with k3s are played by, as ../linux/play says. */
import { playOf, runPlayed } from "../linux/play";
import { k3s } from "./k3s";
import { curl } from "./linux";
import { systemctl } from "./systemd";

export const play = playOf({ systemctl, k3s, curl });

if (require.main === module) runPlayed(play);
