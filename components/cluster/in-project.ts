/** Start of a command's script: commands start in the folder of the program's start file; the project is the folder with Pulumi.yaml. */
export const IN_PROJECT = `
until [ -f Pulumi.yaml ]; do
  [ "$PWD" != / ] || { echo "no Pulumi.yaml here or above" >&2; exit 1; }
  cd ..
done
`.trim();
