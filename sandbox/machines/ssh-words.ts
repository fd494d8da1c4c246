/** What OpenSSH's client makes of its command line, as far as it is used here. */

export interface SshWords {
    readonly user: string;
    readonly address: string;
    readonly port: string;
    /** Values of -o, and flags without a value. */
    readonly options: readonly string[];
    /** The remote command line. */
    readonly line: string;
}

const VALUED = /^-[oplFiJLRESW]$/;

export function readSshWords(args: readonly string[]): SshWords {
    const options: string[] = [];
    const words: string[] = [];
    let port = "22";
    let user = "";
    for (let index = 0; index < args.length; index++) {
        const word = args[index] ?? "";
        if (words.length === 0 && VALUED.test(word)) {
            const value = args[++index] ?? "";
            if (word === "-o") options.push(value);
            if (word === "-p") port = value;
            if (word === "-l") user = value;
        } else if (words.length === 0 && word.startsWith("-")) {
            if (word !== "--") options.push(word);
        } else words.push(word);
    }
    const [destination = "", ...command] = words;
    const at = destination.lastIndexOf("@");
    if (at !== -1) user = destination.slice(0, at);
    return { user, address: destination.slice(at + 1), port, options, line: command.join(" ") };
}
