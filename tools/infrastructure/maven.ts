import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandFailed, runCommand } from '../command.ts';

/** The Java that `JAVA_HOME` names, else the one on the path. */
export function java(): string {
  const home = process.env['JAVA_HOME'];
  return home !== undefined && existsSync(join(home, 'bin/java')) ? join(home, 'bin/java') : 'java';
}

/** Fetches libraries, each `group:artifact:version`, with all that they need into `directory`/libs. Throws with what to install. */
export async function fetchLibraries(directory: string, libraries: readonly string[], what: string): Promise<void> {
  const dependencies = libraries.map((library) => library.split(':')).map(([group, artifact, version]) => `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`);
  const pom = join(directory, 'pom.xml');
  writeFileSync(
    pom,
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>nightshift</groupId><artifactId>libraries</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>${dependencies.join('')}</dependencies></project>\n`,
  );
  try {
    await runCommand('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${join(directory, 'libs')}`], { quiet: true });
  } catch (err) {
    const isMissing = err instanceof CommandFailed && err.message.includes('ENOENT');
    throw isMissing ? new Error(`${what} is fetched with Maven: install it, for instance with \`apt-get install maven\``, { cause: err }) : err;
  }
}
